// cuBLAS multiplies, whatever algorithm it takes by itself; the copy engine's kernel copies within the device.
#include <cublas_v2.h>
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <algorithm>

#include "base/dtype.h"
#include "base/error.h"
#include "bench/ceiling.h"
#include "bench/device_time.h"
#include "engine/backend/cuda/memory.h"
#include "tests/random_generator.h"

namespace emo {
namespace {

void check(cublasStatus_t status, const char* what) {
  if (status != CUBLAS_STATUS_SUCCESS) fail(ErrorKind::kDevice, "ceiling: ", what, ": ", cublasGetStatusName(status));
}

/// `count` values from -1 to 1; zeros would multiply faster than what a network holds.
template <typename T>
DeviceBuffer<T> random_operand(std::size_t count) {
  constexpr std::size_t kPeriod = (1 << 20) - 3;  // no row repeats the one before
  std::vector<T> period;
  for (const float v : random_values(kPeriod, 3)) period.push_back(T(v));
  DeviceBuffer<T> operand(count, "an operand");
  for (std::size_t at = 0; at < count; at += kPeriod) {
    const std::size_t bytes = std::min(kPeriod, count - at) * sizeof(T);
    EMO_CUDA(cudaMemcpy(operand.data() + at, period.data(), bytes, cudaMemcpyHostToDevice));
  }
  return operand;
}

template <typename T>
double product_flops(cudaDataType_t type, cublasComputeType_t compute) {
  constexpr int n = 8192;
  const auto a = random_operand<T>(std::size_t(n) * n), b = random_operand<T>(std::size_t(n) * n);
  const DeviceBuffer<T> c(std::size_t(n) * n, "a product");
  const Stream stream;
  cublasHandle_t handle = nullptr;
  check(cublasCreate(&handle), "cublasCreate");
  check(cublasSetStream(handle, stream.get()), "cublasSetStream");
  const float one = 1, zero = 0;
  const double seconds = median_device_seconds(stream, 20, [&] {
    check(cublasGemmEx(handle, CUBLAS_OP_N, CUBLAS_OP_N, n, n, n, &one, a.data(), type, n, b.data(), type, n, &zero,
                       c.data(), type, n, compute, CUBLAS_GEMM_DEFAULT),
          "cublasGemmEx");
  });
  cublasDestroy(handle);
  return 2. * n * n * n / seconds;
}

double product_flops(Precision precision) {
  switch (precision) {
    case Precision::kFp16: return product_flops<__half>(CUDA_R_16F, CUBLAS_COMPUTE_32F);
    case Precision::kBf16: return product_flops<__nv_bfloat16>(CUDA_R_16BF, CUBLAS_COMPUTE_32F);
    case Precision::kTf32: return product_flops<float>(CUDA_R_32F, CUBLAS_COMPUTE_32F_FAST_TF32);
    default: return product_flops<float>(CUDA_R_32F, CUBLAS_COMPUTE_32F_PEDANTIC);
  }
}

double copied_bytes() {
  const DeviceBuffer<char> from(std::size_t(1) << 30, "a copy's source"), to(std::size_t(1) << 30, "a copy");
  const Stream stream;
  return 2. * double(from.size()) / median_device_seconds(stream, 20, [&] {
           EMO_CUDA(cudaMemcpyAsync(to.data(), from.data(), from.size(), cudaMemcpyDeviceToDevice, stream.get()));
         });
}

}  // namespace

Ceiling measure_cuda(Precision precision) { return {product_flops(precision), copied_bytes()}; }

}  // namespace emo
