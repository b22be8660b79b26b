#include "engine/backend/cpu/head.h"

#include <algorithm>
#include <cmath>

namespace emo {

ConvGeometry head_geometry(const LayerSpec& colour) {
  Shape out = colour.out;
  out.C = (colour.K + 1) * 4;
  return {colour.key, Op::kConv, colour.in, out, colour.K, 1, 1, colour.P, 0};
}

std::vector<float> head_weights(std::span<const float> colour, std::span<const float> mask, int C, int K) {
  std::vector<float> weights(std::size_t(K + 1) * 4 * C * K, 0.f);
  for (int kx = 0; kx < K; ++kx) {
    for (int o = 0; o < 4; ++o) {
      const float* from = o < 3 ? colour.data() + std::size_t(o) * C * K * K : mask.data();
      for (int i = 0; i < C * K; ++i) weights[std::size_t(kx * 4 + o) * C * K + i] = from[std::size_t(i) * K + kx];
    }
  }
  return weights;
}

bool head_row(const float* sums, int K, int y, const HeadPicture& p) {
  const int slots = (K + 1) * 4, P = K / 2, W = p.side;
  const std::size_t plane = std::size_t(W) * W;
  bool finite = true;
  for (int x = 0; x < W; ++x) {
    float v[4] = {};
    for (int kx = std::max(0, P - x); kx < std::min(K, W + P - x); ++kx) {
      const float* from = sums + std::size_t(x + kx - P) * slots + kx * 4;
      for (int o = 0; o < 4; ++o) v[o] += from[o];
    }
    const std::size_t at = std::size_t(y) * W + x;
    const float mask = 1.f / (1.f + std::exp(-v[3]));
    const float keep = p.mask_keeps_image ? mask : 1.f - mask;
    if (p.mask) p.mask[at] = mask;
    finite &= std::isfinite(v[3]);
    for (int o = 0; o < 3; ++o) {
      const float colour = std::tanh(v[o]);
      const float blend = keep * p.face[o * plane + at] + (1.f - keep) * colour;
      if (p.colour) p.colour[o * plane + at] = colour;
      p.out[o * plane + at] = blend;
      finite &= std::isfinite(v[o]) && std::isfinite(blend);
    }
  }
  return finite;
}

}  // namespace emo
