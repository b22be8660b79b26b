#pragma once

#include <algorithm>

namespace emo {

/// 0 up to `low`, 1 from `high` on, between them 3 t^2 - 2 t^3: without a bend at either end.
inline float smooth_step(float low, float high, float x) {
  const float t = std::clamp((x - low) / (high - low), 0.f, 1.f);
  return t * t * (3 - 2 * t);
}

}  // namespace emo
