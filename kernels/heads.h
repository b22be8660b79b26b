#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/conv2d.h"

/// Colour and mask, two KxK convolutions of the same input to 3 + 1 channels, as one. Four output channels would fill half
/// of a tensor core's eight columns and fetch each pixel for 49 taps. So each column of taps gets four output channels of
/// its own: a Kx1 convolution to 4K channels (conv2d) fetches a pixel for 7, and heads() adds what the K neighbours in the
/// row hold for a pixel, while it computes tanh, sigmoid and the blend.
namespace emo {

/// That convolution, on (N,C,H,W) channels-last; C is padded.
ConvShape head_conv(int N, int C, int H, int W, int K);

/// Its weights (4K,C,K,1), to be packed, from colour's (3,C,K,K) and mask's (1,C,K,K).
std::vector<float> head_conv_weights(std::span<const float> colour, std::span<const float> mask, int C, int K);

/// Pictures of one call, device. Those marked so may be null.
struct HeadPictures {
  const float* face;      ///< (N,3,H,W) in [-1,1]
  float* out;             ///< (N,3,H,W); may be face
  float* mask;            ///< (N,1,H,W); or null
  float* colour;          ///< (N,3,H,W); or null
  std::uint8_t* rgb;      ///< (N,H,W,3), out in 0..255 as its channels come; or null
  unsigned* not_finite;   ///< (N), zero before: 1 for an image with a value that is not finite before or after the blend
  bool mask_keeps_image;  ///< out = mask * face + (1 - mask) * colour; false: the two swapped
};

/// v[o] = sum over kx of sums[x + kx - K/2][4 kx + o];  colour = tanh(v[0..2]), mask = sigmoid(v[3]), out as pictures say.
///
/// sums  (N,H,W,padded 4K) fp32, what conv2d gave for head_conv(), device.
/// Throws Error for an even K, and when the launch fails.
/// Source: GANimation, Pumarola et al. 2018.
void heads(const float* sums, int N, int H, int W, int K, const HeadPictures& pictures, cudaStream_t stream);

}  // namespace emo
