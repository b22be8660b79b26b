#pragma once

#include <cstddef>
#include <random>
#include <span>
#include <vector>

#include "engine/expression/au_curve.h"

namespace emo {

struct AnimationOptions {
  double fps = 25;
  double smooth_s = 0.06;  ///< time constant of the smoothing; 0: none
  bool lips_move = false;  ///< AU20, AU25 and AU26 speak: they are smoothed a third as long
  double ease_s = 0.3;     ///< from the neutral face at the start, back to it at the end; 0: none
  bool blink = true;
  unsigned seed = 1;  ///< of the blinks' times
};

/// A blink, 0.1 s down and 0.2 s up, shut on a row so that it shows at any frame rate.
struct Blink {
  double shut_s, fps;
  std::size_t first, last;  ///< rows that it concerns

  /// How far the lids are shut at a row from first to last: 0 to 1.
  float lids(std::size_t row) const;
};

/// Blinks now and then: 1 s and an exponentially distributed time of 2.3 s mean apart, some 17 a minute as in a person at
/// rest (Bentivoglio et al. 1997). The same seed gives the same times.
class Blinks {
 public:
  Blinks(double fps, unsigned seed) : fps_(fps), random_(seed) {}
  Blink next();
  double time_s() const { return time_s_; }  ///< about when the last that was given is shut

 private:
  double fps_, time_s_ = 0;
  std::mt19937 random_;
};

/// The rows that an animation shows: `curve` at i / fps, smoothed, eased, blinking, in this order.
/// Throws Error(kUsage) unless 0.01 <= fps <= 240, 0 <= smooth_s <= 10, 0 <= ease_s <= 10.
AuCurve animation_curve(const AuCurve& curve, std::size_t frames, const AnimationOptions& options);

/// The same for rows that come one after another, at i / fps, and are wanted at once. It is smoothed forwards alone, so it
/// lags by some smooth_s; it eases in, blinks at the same times, and ends without notice.
class LiveAnimation {
 public:
  /// Throws as animation_curve.
  LiveAnimation(const std::vector<std::string>& names, const AnimationOptions& options);

  /// What to show of the next row, of as many values as there are names.
  std::vector<float> next(std::vector<float> row);

 private:
  AnimationOptions options_;
  int lids_;                  ///< which of the names blinks; -1: none
  std::vector<double> keep_;  ///< of each name's value before
  std::vector<float> smoothed_;
  Blinks blinks_;
  Blink blink_;
  std::size_t index_ = 0;
};

/// The curve's values at i / fps: straight lines between its rows, its first and last row beyond its ends.
AuCurve at_frames(const AuCurve& curve, std::size_t frames, double fps);

/// A one-pole low-pass of each column run forwards, then backwards over rows that are step_s apart, so that the two lags
/// cancel: a peak stays at its time. Its answer to an impulse falls by e in every one of the column's time_constants_s; 0:
/// none. Constant rows stay as they are.
void smooth(AuCurve& curve, double step_s, std::span<const double> time_constants_s);

/// Fades every row to zero towards the first and the last one, along half a cosine of ease_s (half the clip, if that is
/// shorter). A single row stays as it is.
void ease(AuCurve& curve, double ease_s);

/// Raises AU45 to Blinks, each over before the end. Leaves a curve without AU45 alone.
void add_blinks(AuCurve& curve, double fps, unsigned seed);

}  // namespace emo
