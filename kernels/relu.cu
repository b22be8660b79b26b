#include "base/shape.h"
#include "kernels/common.cuh"
#include "kernels/launch.h"
#include "kernels/relu.h"

namespace emo {
namespace {

constexpr int kThreads = 256;

__device__ float cut(float v) { return v < 0.f ? 0.f : v; }  // fmaxf would hide a NaN

__global__ void __launch_bounds__(kThreads) relu_kernel(float* x, size_t quads) {
  const size_t i = size_t(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= quads) return;
  float4& place = reinterpret_cast<float4*>(x)[i];
  const float4 v = place;
  place = make_float4(cut(v.x), cut(v.y), cut(v.z), cut(v.w));
}

}  // namespace

void relu(float* x, std::size_t count, cudaStream_t stream) {
  EMO_CHECK(count % 4 == 0, "relu: ", count, " values; a multiple of 4 is needed");
  if (count == 0) return;
  const std::size_t quads = count / 4;
  launch("relu", Shape{1, 1, 1, int(count)}, relu_kernel,
         {.grid = unsigned((quads + kThreads - 1) / kThreads), .block = kThreads, .stream = stream}, x, quads);
}

}  // namespace emo
