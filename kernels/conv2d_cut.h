#pragma once

#include <cuda_runtime.h>

#include "kernels/common.cuh"
#include "kernels/conv2d.h"

/// How a convolution's GEMM is cut, for the launchers of its kernels; and what they share.
namespace emo {

/// 2304 = 3 chunks: 64 x 64 tiles of a 32 x 32 x 256 layer make 192 blocks for 132 multiprocessors.
inline constexpr int kMaxChunk = 768;

/// Steps of kStepBytes along K.
inline int steps_of(MathType math, const ConvShape& s) {
  return ceil_div(s.taps() * s.C_in * operand_bytes(math), kStepBytes);
}

/// Chunks of equal length, a number of steps that depends on K alone.
inline int chunk_steps_of(MathType math, const ConvShape& s) {
  const int steps = steps_of(math, s), max_steps = kMaxChunk * operand_bytes(math) / kStepBytes;
  return ceil_div(steps, ceil_div(steps, max_steps));
}

inline int chunks_of(MathType math, const ConvShape& s) { return ceil_div(steps_of(math, s), chunk_steps_of(math, s)); }

/// Blocks without splits: pixels by channels.
inline dim3 grid_of(const ConvShape& s, int BM, int BN) {
  return dim3(s.N * s.parities() * ceil_div(s.pixels(), BM), ceil_div(s.C_out, BN));
}

/// What conv2d_plan() says of a shape that was not measured.
ConvPlan counted_plan(MathType math, const ConvShape& shape, int multiprocessors, bool wgmma);

/// Throws Error for what conv2d() does not take.
void check_conv2d(MathType math, const ConvShape& shape, const ConvPlan& plan, const ConvEpilogue& epilogue,
                  const ConvWorkspace& workspace);

/// conv2d() with a plan that says wgmma, of tile kWgmmaTiles[tile]; checked, and N > 0.
void conv2d_wgmma(MathType math, const ConvShape& shape, int tile, const void* x, const void* weights, void* y,
                  bool y_as_operand, const ConvEpilogue& epilogue, cudaStream_t stream);

}  // namespace emo
