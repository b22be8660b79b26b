#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "weights/layers.h"

namespace emo {

/// The action units' share of the first convolution. Their planes are constant over the picture, so it is a bias for each
/// channel: the sum of the taps that lie inside the picture. Those are all of them but within P pixels of the border, so
/// the rows fall into K = 2P+1 classes (P from the top, inside, P from the bottom), the columns likewise: the planes are
/// never made, and 17 of 20 input channels cost next to nothing, exactly.
class AuBias {
 public:
  /// weight (C,3+AUs,K,K) of `layer`, K = 2P+1. au_scale multiplies every intensity.
  AuBias(std::span<const float> weight, const LayerSpec& layer, double au_scale);

  /// Floats of a bias for one image: (K,K,C) twice, the biases by row and column class, then workspace.
  std::size_t size() const { return 2 * std::size_t(K_) * K_ * C_; }
  void fold(const float* au, float* bias) const;
  /// Adds to row y (W,C), channels-last, of the convolution of a (H,W) picture; H and W are at least 2P.
  void add(const float* bias, int y, int H, int W, float* row) const;

 private:
  int K_, P_, C_, aus_;
  std::vector<float> weight_;  // (ky,kx,AU,C)
};

}  // namespace emo
