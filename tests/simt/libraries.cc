// cuBLAS by OpenBLAS, cuFFT by KissFFT.
#include <cblas.h>
#include <cublas_v2.h>
#include <cufft.h>
#include <kiss_fftr.h>

#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "runtime.h"

struct cublasContext {
  cudaStream_t stream = nullptr;
};

namespace {

struct FftPlan {
  cudaStream_t stream = nullptr;
  int n = 0, batch = 0;
  int in_stride = 1, in_distance = 0, out_stride = 1, out_distance = 0;
};
std::mutex plans_mutex;
std::map<cufftHandle, FftPlan> plans;

FftPlan* plan_of(cufftHandle handle) {
  const std::lock_guard lock(plans_mutex);
  const auto found = plans.find(handle);
  return found == plans.end() ? nullptr : &found->second;
}

cudaError_t transform(const FftPlan& p, const float* in, float2* out) {
  const std::unique_ptr<kiss_fftr_state, decltype(&kiss_fftr_free)> state(kiss_fftr_alloc(p.n, 0, nullptr, nullptr),
                                                                          &kiss_fftr_free);
  std::vector<float> from(std::size_t(p.n));
  std::vector<kiss_fft_cpx> to(std::size_t(p.n / 2 + 1));
  for (long b = 0; b < p.batch; ++b) {
    for (long i = 0; i < p.n; ++i) from[std::size_t(i)] = in[b * p.in_distance + i * p.in_stride];
    kiss_fftr(state.get(), from.data(), to.data());
    for (long i = 0; i <= p.n / 2; ++i)
      out[b * p.out_distance + i * p.out_stride] = {to[std::size_t(i)].r, to[std::size_t(i)].i};
  }
  return cudaSuccess;
}

CBLAS_TRANSPOSE of(cublasOperation_t op) { return op == CUBLAS_OP_T ? CblasTrans : CblasNoTrans; }

}  // namespace

cublasStatus_t cublasCreate(cublasHandle_t* handle) {
  if (simt::device().count == 0) return CUBLAS_STATUS_NOT_INITIALIZED;
  *handle = new cublasContext;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasDestroy(cublasHandle_t handle) {
  delete handle;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetStream(cublasHandle_t handle, cudaStream_t stream) {
  handle->stream = stream;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetWorkspace(cublasHandle_t, void* workspace, std::size_t) {
  return reinterpret_cast<std::size_t>(workspace) % 16 ? CUBLAS_STATUS_INVALID_VALUE : CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetMathMode(cublasHandle_t, cublasMath_t) { return CUBLAS_STATUS_SUCCESS; }

const char* cublasGetStatusName(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS: return "CUBLAS_STATUS_SUCCESS";
    case CUBLAS_STATUS_NOT_INITIALIZED: return "CUBLAS_STATUS_NOT_INITIALIZED";
    case CUBLAS_STATUS_INVALID_VALUE: return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_EXECUTION_FAILED: return "CUBLAS_STATUS_EXECUTION_FAILED";
  }
  return "unknown";
}

cublasStatus_t cublasSgemmStridedBatched(cublasHandle_t handle, cublasOperation_t trans_a, cublasOperation_t trans_b, int m,
                                         int n, int k, const float* alpha, const float* a, int lda, long long stride_a,
                                         const float* b, int ldb, long long stride_b, const float* beta, float* c, int ldc,
                                         long long stride_c, int batch) {
  const bool fits = m >= 0 && n >= 0 && k >= 0 && lda >= std::max(1, trans_a == CUBLAS_OP_T ? k : m) &&
                    ldb >= std::max(1, trans_b == CUBLAS_OP_T ? n : k) && ldc >= std::max(1, m);
  if (!fits) return CUBLAS_STATUS_INVALID_VALUE;
  const cudaError_t error = simt::enqueue(handle->stream, [=, alpha = *alpha, beta = *beta] {
    for (int i = 0; i < batch; ++i) {
      cblas_sgemm(CblasColMajor, of(trans_a), of(trans_b), m, n, k, alpha, a + i * stride_a, lda, b + i * stride_b, ldb,
                  beta, c + i * stride_c, ldc);
    }
    return cudaSuccess;
  });
  return error == cudaSuccess ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}

cublasStatus_t cublasSgemm(cublasHandle_t handle, cublasOperation_t trans_a, cublasOperation_t trans_b, int m, int n, int k,
                           const float* alpha, const float* a, int lda, const float* b, int ldb, const float* beta, float* c,
                           int ldc) {
  return cublasSgemmStridedBatched(handle, trans_a, trans_b, m, n, k, alpha, a, lda, 0, b, ldb, 0, beta, c, ldc, 0, 1);
}

cufftResult cufftCreate(cufftHandle* plan) {
  static cufftHandle next = 1;
  const std::lock_guard lock(plans_mutex);
  plans[*plan = next++] = {};
  return CUFFT_SUCCESS;
}
cufftResult cufftDestroy(cufftHandle plan) {
  const std::lock_guard lock(plans_mutex);
  return plans.erase(plan) ? CUFFT_SUCCESS : CUFFT_INVALID_PLAN;
}
cufftResult cufftSetStream(cufftHandle plan, cudaStream_t stream) {
  FftPlan* p = plan_of(plan);
  if (!p) return CUFFT_INVALID_PLAN;
  p->stream = stream;
  return CUFFT_SUCCESS;
}
cufftResult cufftSetAutoAllocation(cufftHandle plan, int) { return plan_of(plan) ? CUFFT_SUCCESS : CUFFT_INVALID_PLAN; }
cufftResult cufftSetWorkArea(cufftHandle plan, void*) { return plan_of(plan) ? CUFFT_SUCCESS : CUFFT_INVALID_PLAN; }

cufftResult cufftMakePlanMany(cufftHandle plan, int rank, int* n, int* in_embed, int in_stride, int in_distance,
                              int* out_embed, int out_stride, int out_distance, cufftType type, int batch,
                              std::size_t* work_bytes) {
  FftPlan* p = plan_of(plan);
  if (!p) return CUFFT_INVALID_PLAN;
  if (rank != 1 || n[0] < 2 || n[0] % 2 || batch < 1) return CUFFT_INVALID_SIZE;
  if (type != CUFFT_R2C || !in_embed != !out_embed) return CUFFT_INVALID_VALUE;
  const cudaStream_t stream = p->stream;
  *p = in_embed ? FftPlan{stream, n[0], batch, in_stride, in_distance, out_stride, out_distance}
                : FftPlan{stream, n[0], batch, 1, n[0], 1, n[0] / 2 + 1};
  *work_bytes = 0;
  return CUFFT_SUCCESS;
}

cufftResult cufftPlanMany(cufftHandle* plan, int rank, int* n, int* in_embed, int in_stride, int in_distance, int* out_embed,
                          int out_stride, int out_distance, cufftType type, int batch) {
  std::size_t work_bytes = 0;
  cufftCreate(plan);
  return cufftMakePlanMany(*plan, rank, n, in_embed, in_stride, in_distance, out_embed, out_stride, out_distance, type,
                           batch, &work_bytes);
}

cufftResult cufftExecR2C(cufftHandle plan, cufftReal* in, cufftComplex* out) {
  const FftPlan* p = plan_of(plan);
  if (!p || p->n == 0) return CUFFT_INVALID_PLAN;
  const cudaError_t error = simt::enqueue(p->stream, [p = *p, in, out] { return transform(p, in, out); });
  return error == cudaSuccess ? CUFFT_SUCCESS : CUFFT_EXEC_FAILED;
}
