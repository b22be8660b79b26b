#pragma once

#include "base/host_device.h"

namespace emo {

/// 0 up to `low`, 1 from `high` on, between them 3 t^2 - 2 t^3: without a bend at either end.
EMO_HOST_DEVICE inline float smooth_step(float low, float high, float x) {
  const float t = clamped((x - low) / (high - low), 0, 1);
  return t * t * (3 - 2 * t);
}

}  // namespace emo
