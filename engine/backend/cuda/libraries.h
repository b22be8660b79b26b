#pragma once

#include <cublas_v2.h>
#include <cufft.h>

#include <cstddef>
#include <memory>
#include <type_traits>

#include "engine/backend/cuda/memory.h"

/// The two libraries that the backend calls, each in the one form that it needs. Both throw Error(kDevice) with the call,
/// its sizes and the library's own word for what went wrong.
namespace emo {

/// cuBLAS on one stream in fp32, never TF32, with a workspace of its own: a call allocates nothing.
class Blas {
 public:
  explicit Blas(cudaStream_t stream);

  /// y (rows, outputs) = x (rows, inputs) times the transpose of weight (outputs, inputs); row-major, device. rows > 0.
  void multiply(const float* x, const float* weight, float* y, int rows, int outputs, int inputs) const;

 private:
  struct Destroy {
    void operator()(cublasHandle_t handle) const { cublasDestroy(handle); }
  };
  DeviceBuffer<std::byte> workspace_;
  std::unique_ptr<std::remove_pointer_t<cublasHandle_t>, Destroy> handle_;
};

/// cuFFT on one stream: `batch` real transforms of n samples, n even.
class Fft {
 public:
  Fft(int n, int batch, cudaStream_t stream);
  ~Fft() { cufftDestroy(plan_); }
  Fft(const Fft&) = delete;

  /// in (batch, n), out (batch, n / 2 + 1), device.
  void operator()(float* in, float2* out) const;

 private:
  cufftHandle plan_ = 0;
  int n_, batch_;
};

}  // namespace emo
