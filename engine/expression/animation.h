#pragma once

#include <cstddef>

#include "engine/expression/au_curve.h"

namespace emo {

struct AnimationOptions {
  double fps = 25;
  double smooth_s = 0.06;  ///< time constant of the smoothing; 0: none
  double ease_s = 0.3;     ///< from the neutral face at the start, back to it at the end; 0: none
  bool blink = true;
  unsigned seed = 1;  ///< of the blinks' times
};

/// The rows that an animation shows: `curve` at i / fps, smoothed, eased, blinking, in this order.
/// Throws Error(kUsage) unless 0.01 <= fps <= 240, 0 <= smooth_s <= 10, 0 <= ease_s <= 10.
AuCurve animation_curve(const AuCurve& curve, std::size_t frames, const AnimationOptions& options);

/// The curve's values at i / fps: straight lines between its rows, its first and last row beyond its ends.
AuCurve at_frames(const AuCurve& curve, std::size_t frames, double fps);

/// A one-pole low-pass run forwards, then backwards over rows that are step_s apart, so that the two lags cancel: a peak
/// stays at its time. Its answer to an impulse falls by e in every time_constant_s. Constant rows stay as they are.
void smooth(AuCurve& curve, double step_s, double time_constant_s);

/// Fades every row to zero towards the first and the last one, along half a cosine of ease_s (half the clip, if that is
/// shorter). A single row stays as it is.
void ease(AuCurve& curve, double ease_s);

/// Raises AU45 to a full blink now and then: 0.1 s down, 0.2 s up, 1 s and an exponentially distributed time of 2.3 s mean
/// apart, some 17 a minute as in a person at rest (Bentivoglio et al. 1997). The same seed gives the same times. Each is
/// shut on a row, so that it shows at any frame rate, and over before the end. Leaves a curve without AU45 alone.
void add_blinks(AuCurve& curve, double fps, unsigned seed);

}  // namespace emo
