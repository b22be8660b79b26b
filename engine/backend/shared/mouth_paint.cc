#include "engine/backend/shared/mouth_paint.h"

#include <cmath>

#include "engine/backend/shared/smooth_step.h"

namespace emo {
namespace {

using Colour = std::array<float, 3>;
constexpr Colour kTooth = {222, 208, 190}, kGum = {172, 100, 98}, kCavity = {46, 20, 20}, kTongue = {132, 62, 62},
                 kLowerTooth = {214, 200, 186};
struct Gap {
  float at, darkness;
};
constexpr Gap kGaps[] = {{0, .12f}, {.093f, .16f}, {.163f, .16f}, {.235f, .16f}, {.30f, .16f}, {.37f, .16f}};

Colour mix(const Colour& a, const Colour& b, float share) {
  return {a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share, a[2] + (b[2] - a[2]) * share};
}
Colour times(const Colour& a, float factor) { return {a[0] * factor, a[1] * factor, a[2] * factor}; }

}  // namespace

std::array<float, 3> paint_mouth(const MouthPlace& at) {
  const float across = std::abs(at.u), v = at.v;
  const float side = 1 - 0.75f * smooth_step(0.08f, 0.30f, across);  // teeth darken to the sides
  float gaps = 0;
  for (const Gap& gap : kGaps) {
    const float d = (across - gap.at) / 0.006f;
    gaps += gap.darkness * std::exp(-d * d);
  }
  const float warm = 0.45f + 0.55f * side, lit = side * (1 - gaps);
  const Colour tooth = {kTooth[0] * lit, kTooth[1] * lit * warm, kTooth[2] * lit * warm * warm};
  const float upper_edge = 0.030f - 0.55f * at.u * at.u;
  const Colour upper = mix(times(kGum, side), tooth, smooth_step(upper_edge - 0.125f, upper_edge - 0.105f, v));

  const float lower_edge = at.jaw + 0.012f - 0.35f * at.u * at.u;
  const float tongue = 0.75f * smooth_step(lower_edge - 0.10f, lower_edge + 0.01f, v) * smooth_step(0, 0.16f, at.jaw) *
                       (1 - smooth_step(0.12f, 0.24f, across));
  const Colour below = mix(mix(kCavity, kTongue, tongue), kLowerTooth,
                           0.62f * side * smooth_step(lower_edge - 0.004f, lower_edge + 0.010f, v));
  const float shadow = 0.55f + 0.45f * smooth_step(-0.005f, 0.045f, at.depth);
  return times(mix(upper, below, smooth_step(upper_edge - 0.006f, upper_edge + 0.008f, v)), shadow);
}

}  // namespace emo
