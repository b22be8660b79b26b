#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include "base/shape.h"

namespace emo {

/// Pictures from planes to channels-last, in the type that the convolutions read.
///
///   y[n,h,w,c] = x[n,c,h,w] for c < s.C, and 0 for s.C <= c < C_out
///
/// x      (N,C,H,W) fp32, contiguous, device.
/// y      (N,H,W,C_out) fp32, fp16 or bf16 (rounded to nearest, ties to even), contiguous, device, apart from x.
/// C_out  at least s.C; the channels added for alignment are zero, so weights of any value leave them without effect.
/// Throws Error for C_out < C, and when the launch fails.
template <typename T>
void nchw_to_nhwc(const float* x, T* y, Shape s, int C_out, cudaStream_t stream);

}  // namespace emo
