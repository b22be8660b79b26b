#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <span>
#include <string>

namespace emo {

/// Checks |got - want| <= tolerance for every value; NaN never passes. On failure: the first index that is outside, both
/// values, the tolerance, how many are outside.
inline void expect_close(std::span<const float> got, std::span<const float> want, double tolerance) {
  ASSERT_EQ(got.size(), want.size());
  std::size_t outside = 0, first = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (std::abs(double(got[i]) - want[i]) <= tolerance) continue;
    if (outside++ == 0) first = i;
  }
  EXPECT_EQ(outside, 0u) << "[" << first << "]: got " << got[first] << ", want " << want[first] << ", tol " << tolerance
                         << ", " << outside << " of " << got.size() << " outside";
}

/// Peak signal to noise ratio in dB for signals with this peak-to-peak range.
inline double psnr(std::span<const float> got, std::span<const float> want, double peak_to_peak = 2.0) {
  double sq = 0;
  for (std::size_t i = 0; i < got.size(); ++i) sq += (double(got[i]) - want[i]) * (double(got[i]) - want[i]);
  return 10 * std::log10(peak_to_peak * peak_to_peak / (sq / double(got.size())));
}

}  // namespace emo
