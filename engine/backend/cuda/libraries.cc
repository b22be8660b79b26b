#include "engine/backend/cuda/libraries.h"

#include "base/error.h"

namespace emo {
namespace {

constexpr std::size_t kWorkspaceBytes = 32 << 20;  // what cuBLAS asks for on compute capability 9.0

void check(cublasStatus_t status, const char* call, const std::string& what) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  fail(ErrorKind::kDevice, "cuda: ", call, what, ": ", cublasGetStatusName(status));
}

void check(cufftResult result, const char* call, int n, int batch) {
  if (result == CUFFT_SUCCESS) return;
  fail(ErrorKind::kDevice, "cuda: ", call, " of ", batch, " transforms of ", n, " samples: cuFFT error ", int(result));
}

}  // namespace

Blas::Blas(cudaStream_t stream) : workspace_(kWorkspaceBytes, "cuBLAS") {
  cublasHandle_t handle = nullptr;
  check(cublasCreate(&handle), "cublasCreate", "");
  handle_.reset(handle);
  check(cublasSetStream(handle, stream), "cublasSetStream", "");  // before the workspace, which it would take back
  check(cublasSetWorkspace(handle, workspace_.data(), workspace_.size()), "cublasSetWorkspace", "");
  check(cublasSetMathMode(handle, CUBLAS_PEDANTIC_MATH), "cublasSetMathMode", "");
}

void Blas::multiply(const float* x, const float* weight, float* y, int rows, int outputs, int inputs) const {
  // cuBLAS counts by columns, so what it is told is the transpose of everything.
  const float one = 1, zero = 0;
  check(cublasSgemm(handle_.get(), CUBLAS_OP_T, CUBLAS_OP_N, outputs, rows, inputs, &one, weight, inputs, x, inputs, &zero,
                    y, outputs),
        "cublasSgemm", concat(" (", rows, ',', inputs, ") x (", inputs, ',', outputs, ')'));
}

Fft::Fft(int n, int batch, cudaStream_t stream) : n_(n), batch_(batch) {
  check(cufftPlanMany(&plan_, 1, &n, nullptr, 1, n, nullptr, 1, n / 2 + 1, CUFFT_R2C, batch), "cufftPlanMany", n, batch);
  check(cufftSetStream(plan_, stream), "cufftSetStream", n, batch);
}

void Fft::operator()(float* in, float2* out) const { check(cufftExecR2C(plan_, in, out), "cufftExecR2C", n_, batch_); }

}  // namespace emo
