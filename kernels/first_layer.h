#pragma once

#include <cuda_runtime.h>

#include <span>
#include <vector>

#include "kernels/conv2d.h"

/// The generator's first convolution, KxK of three colours and the planes of the action units (AUs), which are constant over
/// the image: K = 2P+1, S = 1. It becomes a Kx1 convolution (conv2d) of rows of taps, with a bias:
///   - the AU planes are never made: what they add depends on which taps lie inside the picture, so on the border class of
///     the row and of the column, and is exactly a bias for each class, channel and image (fold_aus);
///   - three channels would be padded to eight. Instead a pixel holds the K colours around it in its row, 21 channels padded
///     to 24 for K = 7 (unfold_rows). Of 7*7*20 = 980 products 168 are left, 147 of which count.
namespace emo {

ConvShape first_conv(int N, int C_out, int H, int W, int K);

/// Its weights (C_out,3K,K,1), to be packed, from the layer's (C_out,3+AUs,K,K).
std::vector<float> first_conv_weights(std::span<const float> weight, int C_out, int aus, int K);

/// Weights for fold_aus, by border class of the row and of the column: (K,K,AUs,padded C_out), the sum of the taps that lie
/// inside the picture there, multiplied by au_scale; channels of the padding are 0.
std::vector<float> au_weights(std::span<const float> weight, int C_out, int aus, int K, double au_scale);

/// y[n,h,w,3*kx+c] = x[n,c,h,w+kx-P], 0 outside the picture and in the padding.
///
/// x  (N,3,H,W) fp32, device.   y  (N,H,W,padded 3K) in the operand's type, device, aligned to 16 bytes.
/// Throws Error for an even K, and when the launch fails.
void unfold_rows(MathType math, const float* x, void* y, int N, int H, int W, int K, cudaStream_t stream);

/// bias[n,cy,cx,c] = sum over the AUs of au[n,a] * weight[cy,cx,a,c]: as ConvEpilogue wants it with border = P.
///
/// au    (N,AUs) fp32, device.   weight  from au_weights, device; C_out padded.   bias  (N,K,K,C_out) fp32, device.
/// Throws Error for an even K, and when the launch fails.
void fold_aus(const float* au, const float* weight, float* bias, int N, int aus, int K, int C_out, cudaStream_t stream);

}  // namespace emo
