#include "engine/backend/shared/changed.h"

#include <algorithm>
#include <cmath>

#include "base/smooth_step.h"

namespace emo {
namespace {

/// Smooths (side,side) by a Gaussian, the edge repeated.
void smooth(std::vector<float>& plane, int side, double sigma) {
  const int reach = int(std::ceil(3 * sigma));
  std::vector<float> weights;
  float sum = 0;
  for (int i = -reach; i <= reach; ++i)
    weights.push_back(float(std::exp(-0.5 * i * i / (sigma * sigma)))), sum += weights.back();
  std::vector<float> line(static_cast<std::size_t>(side));
  const auto along = [&](int first, int step) {
    for (int i = 0; i < side; ++i) line[std::size_t(i)] = plane[std::size_t(first + i * step)];
    for (int i = 0; i < side; ++i) {
      float v = 0;
      for (int k = -reach; k <= reach; ++k)
        v += weights[std::size_t(k + reach)] * line[std::size_t(std::clamp(i + k, 0, side - 1))];
      plane[std::size_t(first + i * step)] = v / sum;
    }
  };
  for (int i = 0; i < side; ++i) along(i * side, 1);
  for (int i = 0; i < side; ++i) along(i, side);
}

}  // namespace

std::vector<float> changed_part(const GeneratorConfig& config, TensorView<const float> a, TensorView<const float> b) {
  constexpr float kAlike = 6, kOther = 24;  // levels
  const int side = a.shape.W;
  const std::size_t plane = a.shape.plane();
  const auto levels = float(255 / (config.pixel_max - config.pixel_min));
  std::vector<float> part(plane);
  for (std::size_t i = 0; i < plane; ++i) {
    float sum = 0;
    for (std::size_t c = 0; c < 3; ++c) {
      const float d = (a.data[c * plane + i] - b.data[c * plane + i]) * levels;
      sum += d * d;
    }
    part[i] = std::sqrt(sum);
  }
  smooth(part, side, side * 1.5 / 128);
  for (float& v : part) v = smooth_step(kAlike, kOther, v);
  smooth(part, side, side * 2. / 128);
  return part;
}

}  // namespace emo
