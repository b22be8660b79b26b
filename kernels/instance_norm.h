#pragma once

#include <cuda_runtime.h>

#include "kernels/conv2d.h"

/// Instance normalisation of what conv2d wrote, from the moments that it took on the way.
namespace emo {

/// What a channel of an image is normalised with.
struct alignas(8) NormCoefficients {  // one access
  float mean, scale;
};

/// Merges the moments of all strips of an image, as Chan, Golub and LeVeque do for groups of any size, in one fixed tree:
///   mean = sum_i n_i mean_i / n,   var = sum_i (m2_i + n_i (mean_i - mean)^2) / n,   scale = gamma[c] / sqrt(var + eps)
///
/// conv          the convolution that wrote them.
/// moments       (N, conv.strips(), C_out), device.
/// gamma         (C_out), device; null for 1.
/// coefficients  (N, C_out), device.
/// Throws Error for an image with less than two pixels, and when the launch fails.
void merge_moments(const ConvShape& conv, const Moments* moments, const float* gamma, float eps,
                   NormCoefficients* coefficients, cudaStream_t stream);

/// y = act((x - mean) * scale + beta[c]) + residual
///
/// s             (N,C,H,W), C a multiple of kChannelAlign; values lie channels-last.
/// x             fp32, or with `x_as_operand` in the operand's type, device.
/// coefficients  (N,C), device.
/// beta          (C), device; null for 0.
/// relu          below 0 is 0; NaN stays NaN.
/// residual      what is added, in the operand's type, device; null for 0.
/// y             in the operand's type, device; may be x or residual where the types are one. fp32 is left unrounded for
///               kTF32.
/// All pointers are aligned to 16 bytes. Throws Error for a C that it cannot take, and when the launch fails.
/// Source: Ulyanov, Vedaldi and Lempitsky 2016.
void instance_norm(MathType math, Shape s, const void* x, bool x_as_operand, const NormCoefficients* coefficients,
                   const float* beta, bool relu, const void* residual, void* y, cudaStream_t stream);

/// Strips that merged_instance_norm takes.
inline constexpr int kMaxMergedStrips = 16;

/// merge_moments and instance_norm with the same bytes in one launch, for images of few strips. Each block merges the
/// moments of all its channels, 16 loads a thread. Throws Error for more strips, and as the two do.
void merged_instance_norm(MathType math, const ConvShape& conv, const void* x, bool x_as_operand, const Moments* moments,
                          const float* gamma, float eps, const float* beta, bool relu, const void* residual, void* y,
                          cudaStream_t stream);

/// Whether that is faster than the two: it can, and there are so few blocks that their merging costs less than a launch.
bool merges_in_norm(const ConvShape& conv);

}  // namespace emo
