#include "engine/expression/animation.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"
#include "base/limits.h"
#include "engine/expression/lips.h"

namespace emo {
namespace {

constexpr const char* kBlinkAu = "AU45";
constexpr double kClose_s = 0.1, kOpen_s = 0.2;  // VanderWerf et al. 2003: down in some 80 ms, up in twice that
constexpr double kLipShare = 1 / 3.;             // 0.02 s: of the 0.08 s of a /p/, the mouth is shut for half
constexpr double kLeastPause_s = 1.0, kMorePause_s = 2.3;

/// 0 to 1 along half a cosine for x from 0 to 1.
double half_cosine(double x) { return 0.5 - 0.5 * std::cos(std::numbers::pi * std::clamp(x, 0.0, 1.0)); }

/// to = a + share_of_b (b - a), for rows of n values in [0,1]; `to` may be either.
void mix(const float* a, const float* b, double share_of_b, std::size_t n, float* to) {
  for (std::size_t i = 0; i < n; ++i) to[i] = std::clamp(a[i] + float(share_of_b) * (b[i] - a[i]), 0.f, 1.f);
}

AnimationOptions checked(const AnimationOptions& options) {
  const auto check = [](const char* flag, double value, bool good, const std::string& needed) {
    if (!good) fail(ErrorKind::kUsage, flag, ": ", value, " came; ", needed, " is needed");
  };
  check("`fps`", options.fps, options.fps >= limits::kMinFps && options.fps <= limits::kMaxFps,
        concat(limits::kMinFps, " to ", limits::kMaxFps));
  check("`smooth_s`", options.smooth_s, options.smooth_s >= 0 && options.smooth_s <= limits::kMaxSmoothSeconds,
        concat("0 to ", limits::kMaxSmoothSeconds, " seconds"));
  check("`ease_s`", options.ease_s, options.ease_s >= 0 && options.ease_s <= limits::kMaxEaseSeconds,
        concat("0 to ", limits::kMaxEaseSeconds, " seconds"));
  return options;
}

/// The share of a value that the next one keeps. 0 for a time constant of 0.
double kept(double step_s, double time_constant_s) { return std::exp(-step_s / time_constant_s); }

/// Of each AU's smoothing, s.
std::vector<double> time_constants(const std::vector<std::string>& names, const AnimationOptions& options) {
  std::vector<double> result;
  for (const auto& name : names) {
    result.push_back(options.smooth_s * (options.lips_move && moves_with_lips(name) ? kLipShare : 1));
  }
  return result;
}

}  // namespace

AuCurve animation_curve(const AuCurve& curve, std::size_t frames, const AnimationOptions& options) {
  checked(options);
  AuCurve result = at_frames(curve, frames, options.fps);
  smooth(result, 1 / options.fps, time_constants(result.names, options));
  if (options.ease_s > 0) ease(result, options.ease_s);
  if (options.blink) add_blinks(result, options.fps, options.seed);
  return result;
}

AuCurve at_frames(const AuCurve& curve, std::size_t frames, double fps) {
  EMO_CHECK(curve.rows() > 0 && curve.values.rows == int(curve.rows()), "at_frames: ", curve.values.rows, " rows, ",
            curve.times_s.size(), " times");
  const std::size_t n = curve.names.size();
  AuCurve result(curve.names, std::vector<double>(frames));
  for (std::size_t i = 0; i < frames; ++i) {
    const double t = double(i) / fps;
    const auto after = std::size_t(std::ranges::upper_bound(curve.times_s, t) - curve.times_s.begin());
    result.times_s[i] = t;
    float* const row = result.values.row(int(i));
    if (after == 0 || after == curve.rows()) {
      std::copy_n(curve.values.row(after == 0 ? 0 : curve.values.rows - 1), n, row);
      continue;
    }
    const double from = curve.times_s[after - 1], to = curve.times_s[after];
    mix(curve.values.row(int(after) - 1), curve.values.row(int(after)), (t - from) / (to - from), n, row);
  }
  return result;
}

void smooth(AuCurve& curve, double step_s, std::span<const double> time_constants_s) {
  std::vector<double> keep;
  for (const double constant_s : time_constants_s) keep.push_back(kept(step_s, constant_s));
  Matrix& rows = curve.values;
  const auto follow = [&](int i, int before) {
    for (std::size_t k = 0; k < keep.size(); ++k) mix(rows.row(i) + k, rows.row(before) + k, keep[k], 1, rows.row(i) + k);
  };
  for (int i = 1; i < rows.rows; ++i) follow(i, i - 1);
  for (int i = rows.rows - 2; i >= 0; --i) follow(i, i + 1);
}

void ease(AuCurve& curve, double ease_s) {
  if (curve.rows() < 2) return;
  const double start = curve.times_s.front(), end = curve.times_s.back(), span = std::min(ease_s, (end - start) / 2);
  const std::vector<float> neutral(curve.names.size());
  for (std::size_t i = 0; i < curve.rows(); ++i) {
    const double t = curve.times_s[i];
    const double shown = half_cosine((t - start) / span) * half_cosine((end - t) / span);
    float* const row = curve.values.row(int(i));
    mix(neutral.data(), row, shown, neutral.size(), row);
  }
}

float Blink::lids(std::size_t row) const {
  const double from_shut = double(row) / fps - shut_s;
  return float(half_cosine(1 - std::abs(from_shut) / (from_shut < 0 ? kClose_s : kOpen_s)));
}

Blink Blinks::next() {
  // By hand: the standard's own distributions differ from library to library.
  time_s_ += kLeastPause_s - kMorePause_s * std::log((random_() + 1.0) / 4294967297.0);
  const double shut = std::round(time_s_ * fps_) / fps_;
  return {shut, fps_, std::size_t(std::max(0.0, std::ceil((shut - kClose_s) * fps_))), std::size_t((shut + kOpen_s) * fps_)};
}

void add_blinks(AuCurve& curve, double fps, unsigned seed) {
  const int lids = curve.column(kBlinkAu);
  if (curve.rows() == 0 || lids < 0) return;
  const double end = double(curve.rows() - 1) / fps;
  Blinks blinks(fps, seed);
  for (Blink blink = blinks.next(); blinks.time_s() + kOpen_s <= end; blink = blinks.next()) {
    for (std::size_t i = blink.first; i <= std::min(curve.rows() - 1, blink.last); ++i) {
      float& au = curve.values.row(int(i))[lids];
      au = std::max(au, blink.lids(i));
    }
  }
}

LiveAnimation::LiveAnimation(const std::vector<std::string>& names, const AnimationOptions& options)
    : options_(checked(options)),
      lids_(options.blink ? AuCurve(names, {}).column(kBlinkAu) : -1),
      blinks_(options.fps, options.seed),
      blink_(blinks_.next()) {
  for (const double constant_s : time_constants(names, options)) keep_.push_back(kept(1 / options.fps, constant_s));
}

std::vector<float> LiveAnimation::next(std::vector<float> row) {
  if (index_ == 0) smoothed_ = row;
  for (std::size_t k = 0; k < row.size(); ++k) mix(&row[k], &smoothed_[k], keep_[k], 1, &smoothed_[k]);
  const double shown = options_.ease_s == 0 ? 1 : half_cosine(double(index_) / options_.fps / options_.ease_s);
  mix(std::vector<float>(row.size()).data(), smoothed_.data(), shown, row.size(), row.data());
  while (index_ > blink_.last) blink_ = blinks_.next();
  if (lids_ >= 0 && index_ >= blink_.first) row[std::size_t(lids_)] = std::max(row[std::size_t(lids_)], blink_.lids(index_));
  ++index_;
  return row;
}

}  // namespace emo
