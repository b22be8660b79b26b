#include "engine/expression/animation.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <random>

#include "base/error.h"
#include "base/limits.h"

namespace emo {
namespace {

constexpr const char* kBlinkAu = "AU45";
constexpr double kClose_s = 0.1, kOpen_s = 0.2;  // VanderWerf et al. 2003: down in some 80 ms, up in twice that
constexpr double kLeastPause_s = 1.0, kMorePause_s = 2.3;

/// 0 to 1 along half a cosine for x from 0 to 1.
double half_cosine(double x) { return 0.5 - 0.5 * std::cos(std::numbers::pi * std::clamp(x, 0.0, 1.0)); }

ActionUnits mix(const ActionUnits& a, const ActionUnits& b, double share_of_b) {
  std::vector<float> values(a.values());
  for (std::size_t i = 0; i < values.size(); ++i) values[i] += float(share_of_b) * (b.values()[i] - values[i]);
  return a.with(values);
}

}  // namespace

AuCurve animation_curve(const AuCurve& curve, std::size_t frames, const AnimationOptions& options) {
  const auto check = [](const char* flag, double value, bool good, const std::string& needed) {
    if (!good) fail(ErrorKind::kUsage, flag, ": ", value, " came; ", needed, " is needed");
  };
  check("`fps`", options.fps, options.fps >= limits::kMinFps && options.fps <= limits::kMaxFps,
        concat(limits::kMinFps, " to ", limits::kMaxFps));
  check("`smooth_s`", options.smooth_s, options.smooth_s >= 0 && options.smooth_s <= limits::kMaxSmoothSeconds,
        concat("0 to ", limits::kMaxSmoothSeconds, " seconds"));
  check("`ease_s`", options.ease_s, options.ease_s >= 0 && options.ease_s <= limits::kMaxEaseSeconds,
        concat("0 to ", limits::kMaxEaseSeconds, " seconds"));
  AuCurve result = at_frames(curve, frames, options.fps);
  if (options.smooth_s > 0) smooth(result, 1 / options.fps, options.smooth_s);
  if (options.ease_s > 0) ease(result, options.ease_s);
  if (options.blink) add_blinks(result, options.fps, options.seed);
  return result;
}

AuCurve at_frames(const AuCurve& curve, std::size_t frames, double fps) {
  EMO_CHECK(!curve.rows.empty() && curve.rows.size() == curve.times_s.size(), "at_frames: ", curve.rows.size(), " rows, ",
            curve.times_s.size(), " times");
  AuCurve result;
  for (std::size_t i = 0; i < frames; ++i) {
    const double t = double(i) / fps;
    const auto after = std::size_t(std::ranges::upper_bound(curve.times_s, t) - curve.times_s.begin());
    result.times_s.push_back(t);
    if (after == 0 || after == curve.rows.size()) {
      result.rows.push_back(after == 0 ? curve.rows.front() : curve.rows.back());
      continue;
    }
    const double from = curve.times_s[after - 1], to = curve.times_s[after];
    result.rows.push_back(mix(curve.rows[after - 1], curve.rows[after], (t - from) / (to - from)));
  }
  return result;
}

void smooth(AuCurve& curve, double step_s, double time_constant_s) {
  const double keep = std::exp(-step_s / time_constant_s);
  auto& rows = curve.rows;
  for (std::size_t i = 1; i < rows.size(); ++i) rows[i] = mix(rows[i], rows[i - 1], keep);
  for (std::size_t i = rows.size(); i-- > 1;) rows[i - 1] = mix(rows[i - 1], rows[i], keep);
}

void ease(AuCurve& curve, double ease_s) {
  if (curve.rows.size() < 2) return;
  const double start = curve.times_s.front(), end = curve.times_s.back(), span = std::min(ease_s, (end - start) / 2);
  const ActionUnits neutral(curve.rows[0].names());
  for (std::size_t i = 0; i < curve.rows.size(); ++i) {
    const double t = curve.times_s[i];
    const double shown = half_cosine((t - start) / span) * half_cosine((end - t) / span);
    curve.rows[i] = mix(neutral, curve.rows[i], shown);
  }
}

void add_blinks(AuCurve& curve, double fps, unsigned seed) {
  if (curve.rows.empty() || std::ranges::count(curve.rows[0].names(), kBlinkAu) == 0) return;
  std::mt19937 random(seed);
  // By hand: the standard's own distributions differ from library to library.
  const auto pause_s = [&] { return kLeastPause_s - kMorePause_s * std::log((random() + 1.0) / 4294967297.0); };
  const double end = double(curve.rows.size() - 1) / fps;
  for (double t = pause_s(); t + kOpen_s <= end; t += pause_s()) {
    const double shut = std::round(t * fps) / fps;
    const auto first = std::size_t(std::max(0.0, std::ceil((shut - kClose_s) * fps)));
    const auto last = std::min(curve.rows.size() - 1, std::size_t((shut + kOpen_s) * fps));
    for (std::size_t i = first; i <= last; ++i) {
      const double from_shut = double(i) / fps - shut;
      const double lid = half_cosine(1 - std::abs(from_shut) / (from_shut < 0 ? kClose_s : kOpen_s));
      curve.rows[i].set(kBlinkAu, std::max(curve.rows[i].get(kBlinkAu), float(lid)));
    }
  }
}

}  // namespace emo
