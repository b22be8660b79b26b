#include "engine/backend/cpu/au_bias.h"

#include <algorithm>

#include "base/error.h"

namespace emo {
namespace {

struct Taps {
  int first, last;
};

/// Taps inside the picture for a pixel of class i: i < P are the pixels i from the start, i > P those 2P - i from the end.
Taps taps_inside(int i, int P) { return {std::max(0, P - i), std::min(2 * P, 3 * P - i)}; }

int border_class(int y, int H, int P) { return y < P ? y : y >= H - P ? y - H + 2 * P + 1 : P; }

}  // namespace

AuBias::AuBias(std::span<const float> weight, const LayerSpec& layer, double au_scale)
    : K_(layer.K), P_(layer.P), C_(layer.C_out), aus_(layer.C_in - 3), weight_(std::size_t(K_) * K_ * aus_ * C_) {
  EMO_CHECK(layer.S == 1 && K_ == 2 * P_ + 1, "au bias: ", layer.key, " does not keep the picture's size");
  const int taps = K_ * K_;
  for (int c = 0; c < C_; ++c) {
    for (int a = 0; a < aus_; ++a) {
      const float* from = weight.data() + (std::size_t(c) * layer.C_in + 3 + a) * taps;
      for (int t = 0; t < taps; ++t) weight_[(std::size_t(t) * aus_ + a) * C_ + c] = float(from[t] * au_scale);
    }
  }
}

void AuBias::fold(const float* au, float* bias) const {
  float* by_tap = bias + size() / 2;
  std::fill_n(bias, size(), 0.f);
  for (int t = 0; t < K_ * K_; ++t) {
    for (int a = 0; a < aus_; ++a) {
      const float* from = weight_.data() + (std::size_t(t) * aus_ + a) * C_;
      for (int c = 0; c < C_; ++c) by_tap[t * C_ + c] += au[a] * from[c];
    }
  }
  for (int i = 0; i < K_ * K_; ++i) {
    const Taps rows = taps_inside(i / K_, P_), columns = taps_inside(i % K_, P_);
    for (int ky = rows.first; ky <= rows.last; ++ky) {
      for (int kx = columns.first; kx <= columns.last; ++kx) {
        for (int c = 0; c < C_; ++c) bias[i * C_ + c] += by_tap[(ky * K_ + kx) * C_ + c];
      }
    }
  }
}

void AuBias::add(const float* bias, int y, int H, int W, float* row) const {
  bias += std::size_t(border_class(y, H, P_)) * K_ * C_;
  for (int x = 0; x < W; ++x, row += C_) {
    const float* from = bias + std::size_t(border_class(x, W, P_)) * C_;
    for (int c = 0; c < C_; ++c) row[c] += from[c];
  }
}

}  // namespace emo
