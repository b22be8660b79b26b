#pragma once

#include <cmath>

#include "base/smooth_step.h"
#include "kernels/tone_curve.h"

/// The inside of a mouth that the photo does not show: upper teeth and gum on the skull, lower teeth and tongue on the jaw.
/// For host and device.
namespace emo {

/// A place in a mouth, in distances of the outer eye corners.
struct MouthPlace {
  float u, v;   ///< from the middle of the neutral face's lips, to the left of the person and down the face
  float jaw;    ///< how far the jaw has dropped
  float depth;  ///< distance to the lips, whose shadow lies on what is near
};

EMO_HOST_DEVICE inline Rgb mix(const Rgb& a, const Rgb& b, float share) {
  return {a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share, a[2] + (b[2] - a[2]) * share};
}
EMO_HOST_DEVICE inline Rgb times(const Rgb& a, float factor) { return {a[0] * factor, a[1] * factor, a[2] * factor}; }

/// Its colour in ordinary light.
EMO_HOST_DEVICE inline Rgb paint_mouth(const MouthPlace& at) {
  constexpr Rgb kTooth = {222, 208, 190}, kGum = {172, 100, 98}, kCavity = {46, 20, 20}, kTongue = {132, 62, 62},
                kLowerTooth = {214, 200, 186};
  struct Gap {
    float at, darkness;
  };
  constexpr Gap kGaps[] = {{0, .12f}, {.093f, .16f}, {.163f, .16f}, {.235f, .16f}, {.30f, .16f}, {.37f, .16f}};

  const float across = fabsf(at.u), v = at.v;
  const float side = 1 - 0.75f * smooth_step(0.08f, 0.30f, across);  // teeth darken to the sides
  float gaps = 0;
  for (const Gap& gap : kGaps) {
    const float d = (across - gap.at) / 0.006f;
    gaps += gap.darkness * expf(-d * d);
  }
  const float warm = 0.45f + 0.55f * side, lit = side * (1 - gaps);
  const Rgb tooth = {kTooth.v[0] * lit, kTooth.v[1] * lit * warm, kTooth.v[2] * lit * warm * warm};
  const float upper_edge = 0.030f - 0.55f * at.u * at.u;
  const Rgb upper = mix(times(kGum, side), tooth, smooth_step(upper_edge - 0.125f, upper_edge - 0.105f, v));

  const float lower_edge = at.jaw + 0.012f - 0.35f * at.u * at.u;
  const float tongue = 0.75f * smooth_step(lower_edge - 0.10f, lower_edge + 0.01f, v) * smooth_step(0, 0.16f, at.jaw) *
                       (1 - smooth_step(0.12f, 0.24f, across));
  const Rgb below = mix(mix(kCavity, kTongue, tongue), kLowerTooth,
                        0.62f * side * smooth_step(lower_edge - 0.004f, lower_edge + 0.010f, v));
  const float shadow = 0.55f + 0.45f * smooth_step(-0.005f, 0.045f, at.depth);
  return times(mix(upper, below, smooth_step(upper_edge - 0.006f, upper_edge + 0.008f, v)), shadow);
}

}  // namespace emo
