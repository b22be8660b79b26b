#pragma once

#include <span>
#include <vector>

#include "engine/backend/cpu/strip_conv.h"
#include "weights/layers.h"

namespace emo {

/// Colour and mask, two KxK convolutions of the same input to 3 + 1 channels, as one. Four output channels fill a quarter
/// of an AVX-512 register, so each column of taps gets output channels of its own: a Kx1 convolution to (K+1)*4 channels
/// (the last four are 0 and round the vectors up), then every pixel adds what its K neighbours in the row hold for it.
/// 64->4 7x7 at 128x128 on one Zen 4 core: 14.1 ms direct, 4.4 ms so (AVX2: 18.0 and 4.3); as 1x1 to 208 channels 5.2.
ConvGeometry head_geometry(const LayerSpec& colour);

/// Its weights ((K+1)*4,C,K,1) from colour's (3,C,K,K) and mask's (1,C,K,K).
std::vector<float> head_weights(std::span<const float> colour, std::span<const float> mask, int C, int K);

/// Where a picture comes from and goes to, planar. mask and colour may be null.
struct HeadPicture {
  int side;
  const float* face;           ///< (3,S,S)
  float *out, *mask, *colour;  ///< (3,S,S), may be face; (1,S,S); (3,S,S)
  bool mask_keeps_image;       ///< out = mask * face + (1 - mask) * colour; false: the two swapped
};

/// Row y of the picture from that row of the convolution, (W,(K+1)*4): the horizontal sums, tanh, sigmoid, blend.
/// Returns false when a value before tanh or sigmoid, which would hide an infinity, or a blended one is not finite.
bool head_row(const float* sums, int K, int y, const HeadPicture& picture);

}  // namespace emo
