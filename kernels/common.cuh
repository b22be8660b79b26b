#pragma once

#include <cuda_runtime.h>

#include "kernels/launch.h"
#include "kernels/ptx.h"

/// Device helpers that several kernels share. Every reduction adds in a fixed order, so the same values give the same bytes.
namespace emo {

constexpr unsigned kAllLanes = 0xffffffffu;

__device__ inline int lane_id() { return threadIdx.x % 32; }
__device__ inline int warp_id() { return threadIdx.x / 32; }

/// The sum over the warp, in every lane: lanes 16 apart first, neighbours last. All 32 lanes take part.
__device__ inline float warp_sum(float v) {
  for (int step = 16; step > 0; step /= 2) v += __shfl_xor_sync(kAllLanes, v, step);
  return v;
}

__device__ inline float warp_max(float v) {
  for (int step = 16; step > 0; step /= 2) v = fmaxf(v, __shfl_xor_sync(kAllLanes, v, step));
  return v;
}

/// The sum over a block of kThreads (a multiple of 32, along x), in every thread: each warp by itself, then the warps'.
/// scratch: kThreads / 32 floats of shared memory; free for others after the next barrier.
template <int kThreads>
__device__ float block_sum(float v, float* scratch) {
  constexpr int kWarps = kThreads / 32;
  static_assert(kThreads % 32 == 0 && kWarps <= 32);
  v = warp_sum(v);
  __syncthreads();  // an earlier sum may still be read from scratch
  if (lane_id() == 0) scratch[warp_id()] = v;
  __syncthreads();  // all warps' sums are there
  return warp_sum(lane_id() < kWarps ? scratch[lane_id()] : 0.f);
}

/// Waits until all blocks of a cooperative grid have come. *arrived starts as 0 and only grows: the caller's n-th meeting
/// waits for n * gridDim.x (one-dimensional).
__device__ inline void grid_sync(unsigned* arrived, unsigned target) {
  __syncthreads();  // all of the block have stored what the others will read
  if (threadIdx.x == 0) {
    ptx::red_add_release(arrived, 1);
    while (ptx::ld_acquire(arrived) < target) {
    }
  }
  __syncthreads();
}

}  // namespace emo
