#include <type_traits>

#include "kernels/common.cuh"
#include "kernels/launch.h"
#include "kernels/layout.h"

namespace emo {
namespace {

constexpr int kTile = 32;  // pixels and channels of a block
constexpr int kRows = 8;   // rows of the tile that its threads hold at a time

template <typename T>
__device__ T rounded(float v) {
  if constexpr (std::is_same_v<T, __half>) {
    return __float2half_rn(v);
  } else if constexpr (std::is_same_v<T, __nv_bfloat16>) {
    return __float2bfloat16_rn(v);
  } else {
    return v;
  }
}

// A transpose of (C,HW) to (HW,C_out) through shared memory, so that reads run along pixels and writes along channels. A row
// of the tile has one float more than it needs: the threads of a warp that read a column then hit 32 different banks.
template <typename T>
__global__ void nchw_to_nhwc_kernel(const float* x, T* y, int C, int HW, int C_out) {
  SharedMemory smem;
  float* tile = smem.take<float>(kTile * (kTile + 1));
  const int pixel_0 = blockIdx.x * kTile, c_0 = blockIdx.y * kTile;
  x += size_t(blockIdx.z) * C * HW;
  y += size_t(blockIdx.z) * HW * C_out;

  for (int row = threadIdx.y; row < kTile; row += kRows) {
    const int c = c_0 + row, pixel = pixel_0 + int(threadIdx.x);
    if (pixel < HW) tile[row * (kTile + 1) + threadIdx.x] = c < C ? x[size_t(c) * HW + pixel] : 0.f;
  }
  __syncthreads();  // columns of the tile were written by other threads
  for (int row = threadIdx.y; row < kTile; row += kRows) {
    const int c = c_0 + int(threadIdx.x), pixel = pixel_0 + row;
    if (c < C_out && pixel < HW) y[size_t(pixel) * C_out + c] = rounded<T>(tile[threadIdx.x * (kTile + 1) + row]);
  }
}

}  // namespace

template <typename T>
void nchw_to_nhwc(const float* x, T* y, Shape s, int C_out, cudaStream_t stream) {
  EMO_CHECK(C_out >= s.C, "nchw_to_nhwc: ", s.C, " channels do not fit into ", C_out);
  if (s.count() == 0) return;
  const int HW = int(s.plane());
  const dim3 grid(ceil_div(HW, kTile), ceil_div(C_out, kTile), s.N);
  launch("nchw_to_nhwc", s, nchw_to_nhwc_kernel<T>,
         {.grid = grid, .block = dim3(kTile, kRows), .smem = kTile * (kTile + 1) * sizeof(float), .stream = stream}, x, y,
         s.C, HW, C_out);
}

template void nchw_to_nhwc<float>(const float*, float*, Shape, int, cudaStream_t);
template void nchw_to_nhwc<__half>(const float*, __half*, Shape, int, cudaStream_t);
template void nchw_to_nhwc<__nv_bfloat16>(const float*, __nv_bfloat16*, Shape, int, cudaStream_t);

}  // namespace emo
