#pragma once

#include <cmath>

#include "base/limits.h"

namespace emo {

/// To print: 1.5 of 1.50002.
inline double to_ms(double seconds) { return std::round(seconds * 1000) / 1000; }

/// Refuses a sample that is no sound; `at_s` is its time in the file, `refuse` throws with the file's name in front.
template <typename Refuse>
void check_sample(double sample, double at_s, const Refuse& refuse) {
  if (std::abs(sample) <= double(limits::kMaxSample)) return;  // never so for a NaN
  if (!std::isfinite(sample)) {
    refuse("holds NaN or infinity at ", to_ms(at_s), " s; every sample must be a number. Export it again");
  }
  refuse("holds ", sample, " at ", to_ms(at_s), " s, where full scale is 1; export it again as PCM, or scale it down");
}

}  // namespace emo
