#include "engine/expression/lips.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <numbers>

#include "base/error.h"

namespace emo {
namespace {

constexpr double kStep_s = 0.01, kWindow_s = 0.025, kEarly_s = 0.025;
constexpr double kGrid_Hz = 50, kEnd_Hz = 5500;
constexpr double kRange_db = 20, kOverNoise_db = 4, kLeastRange_db = 8, kSilence_db = -60;
constexpr double kAttack_s = 0.03, kRelease_s = 0.05;

/// AUs at an opening or spread of 1: the bundled portrait then says "ah" without shouting.
struct LipAu {
  std::string_view name;
  std::vector<float> LipTrack::*track;
  double share;
};
constexpr std::array<LipAu, 3> kLipAus{
    {{"AU25", &LipTrack::opening, 0.6}, {"AU26", &LipTrack::opening, 0.45}, {"AU20", &LipTrack::spread, 0.3}}};

double db(double power) { return 10 * std::log10(power + 1e-12); }

/// The value that a share of them lie below. Not empty.
double percentile(std::vector<double> values, double share) {
  const auto nth = values.begin() + std::ptrdiff_t(share * double(values.size() - 1) + 0.5);
  std::ranges::nth_element(values, nth);
  return *nth;
}

/// The envelope of a sound's spectrum by linear prediction, a frame at a time.
class Envelope {
 public:
  explicit Envelope(int rate_hz)
      : order_(2 + rate_hz / 1000),
        window_(std::size_t(kWindow_s * rate_hz)),
        frame_(window_.size()),
        r_(order_ + 1),
        a_(order_ + 1),
        before_(order_ + 1) {
    for (std::size_t i = 0; i < window_.size(); ++i) {
      window_[i] = 0.54 - 0.46 * std::cos(2 * std::numbers::pi * double(i) / double(window_.size() - 1));
    }
    for (double hz = kGrid_Hz; hz < std::min(kEnd_Hz, rate_hz / 2.); hz += kGrid_Hz) {
      for (std::size_t k = 0; k <= order_; ++k) {
        const double angle = 2 * std::numbers::pi * hz * double(k) / rate_hz;
        waves_.push_back({std::cos(angle), std::sin(angle)});
      }
    }
    power_.resize(waves_.size() / (order_ + 1));
  }

  /// Of the frame around sample `middle`, at 50, 100 ... Hz; what lies outside the sound is silence. A sine of full scale
  /// has a sum of about 1.
  const std::vector<double>& at(std::span<const float> pcm, std::ptrdiff_t middle) {
    const auto size = std::ptrdiff_t(window_.size()), begin = middle - size / 2;
    const auto sample = [&](std::ptrdiff_t i) {
      return i < 0 || i >= std::ptrdiff_t(pcm.size()) ? 0. : double(pcm[std::size_t(i)]);
    };
    for (std::ptrdiff_t i = 0; i < size; ++i) {  // voices fall by 6 dB an octave: even, they need fewer coefficients
      frame_[std::size_t(i)] = window_[std::size_t(i)] * (sample(begin + i) - 0.9 * sample(begin + i - 1));
    }
    predict();
    const double scale = error_ / (0.1 * double(size) * double(power_.size()));
    for (std::size_t f = 0; f < power_.size(); ++f) {
      double re = 0, im = 0;
      for (std::size_t k = 0; k <= order_; ++k) {
        re += a_[k] * waves_[f * (order_ + 1) + k][0];
        im += a_[k] * waves_[f * (order_ + 1) + k][1];
      }
      power_[f] = scale / (re * re + im * im);
    }
    return power_;
  }

 private:
  /// Levinson's and Durbin's recursion: a_ and the error that is left.
  void predict() {
    for (std::size_t k = 0; k <= order_; ++k) {
      r_[k] = 0;
      for (std::size_t i = k; i < frame_.size(); ++i) r_[k] += frame_[i] * frame_[i - k];
    }
    error_ = r_[0] * 1.0001 + 1e-9;  // white noise 40 dB below, which keeps the recursion stable
    std::ranges::fill(a_, 0);
    a_[0] = 1;
    for (std::size_t k = 1; k <= order_; ++k) {
      double sum = 0;
      for (std::size_t j = 0; j < k; ++j) sum += a_[j] * r_[k - j];
      const double reflection = -sum / error_;
      before_ = a_;
      for (std::size_t j = 1; j <= k; ++j) a_[j] = before_[j] + reflection * before_[k - j];
      error_ *= 1 - reflection * reflection;
    }
  }

  const std::size_t order_;
  std::vector<double> window_, frame_, r_, a_, before_, power_;
  std::vector<std::array<double, 2>> waves_;
  double error_ = 0;
};

/// What is measured of a frame.
struct Measure {
  double level, high, f1, f2;  ///< dB, dB, Hz, Hz
};

Measure measure(const std::vector<double>& power) {
  const auto over = [&](double from_hz, double to_hz, const auto& term) {
    double sum = 0;
    const auto end = std::min(power.size(), std::size_t(to_hz / kGrid_Hz) - 1);
    for (auto f = std::size_t(from_hz / kGrid_Hz) - 1; f < end; ++f) sum += term(power[f], double(f + 1) * kGrid_Hz);
    return sum;
  };
  const auto energy = [](double p, double) { return p; };
  const auto moment = [](double p, double hz) { return p * hz; };
  const auto centre = [&](double from, double to) { return over(from, to, moment) / (over(from, to, energy) + 1e-30); };
  return {db(over(450, 2800, energy)), db(over(3400, 5500, energy)), centre(200, 1100), centre(1000, 3000)};
}

/// Where a value lies between the 10th and 90th percentile of the clip's, which are `least` apart or more.
class Scale {
 public:
  Scale(const std::vector<double>& values, double least)
      : low_(percentile(values, 0.1)), span_(std::max(least, percentile(values, 0.9) - low_)) {}
  double operator()(double value) const { return std::clamp((value - low_) / span_, 0., 1.); }

 private:
  double low_, span_;
};

/// One pole, faster up than down.
void follow(std::vector<float>& values) {
  double shown = 0;
  for (float& value : values) {
    shown = value + (shown - value) * std::exp(-kStep_s / (value > shown ? kAttack_s : kRelease_s));
    value = float(shown);
  }
}

}  // namespace

LipTrack hear_lips(std::span<const float> pcm, int rate_hz) {
  EMO_CHECK(rate_hz >= 8000, "hear_lips: ", rate_hz, " Hz; at least 8000 are needed");
  std::vector<Measure> frames;
  Envelope envelope(rate_hz);
  for (std::size_t i = 0; double(i) * kStep_s * rate_hz < double(pcm.size()); ++i) {
    frames.push_back(measure(envelope.at(pcm, std::ptrdiff_t(double(i) * kStep_s * rate_hz))));
  }
  LipTrack track{std::vector<float>(frames.size()), std::vector<float>(frames.size())};
  if (frames.empty()) return track;

  std::vector<double> levels, voiced, f1, f2;
  for (const Measure& frame : frames) levels.push_back(frame.level);
  // Reached by 0.2 s of the sound: a click is shorter.
  const double loudest = percentile(levels, 1 - std::min(20., double(levels.size()) / 4) / double(levels.size()));
  if (loudest < kSilence_db) return track;
  std::ranges::copy_if(levels, std::back_inserter(voiced), [&](double level) { return level > loudest - 35; });
  const double reference = percentile(voiced, 0.85), noise = percentile(levels, 0.05);
  if (reference - noise < kLeastRange_db) return track;  // voices have pauses
  const double floor = std::min(std::max(reference - kRange_db, noise + kOverNoise_db), reference - kLeastRange_db);
  const auto loud = [&](const Measure& frame) { return std::clamp((frame.level - floor) / (reference - floor), 0., 1.); };
  for (const Measure& frame : frames) {
    if (loud(frame) > 0.5) f1.push_back(frame.f1), f2.push_back(frame.f2);
  }
  if (f1.empty()) return track;
  const Scale height_of(f1, 120), front_of(f2, 300);
  for (std::size_t i = 0; i < frames.size(); ++i) {
    const Measure& frame = frames[i];
    const double height = height_of(frame.f1), hiss = std::clamp((frame.high - frame.level) / 10, 0., 1.);
    track.opening[i] = float(loud(frame) * (0.45 + 0.55 * height) * (1 - 0.7 * hiss));
    track.spread[i] = float(loud(frame) * front_of(frame.f2) * (1 - height) * (1 - hiss));
  }
  follow(track.opening), follow(track.spread);
  return track;
}

void add_lips(AuCurve& curve, const LipTrack& lips, double amount) {
  if (lips.opening.empty() || amount == 0) return;
  for (const auto& [name, track, share] : kLipAus) {
    const int column = curve.column(name);
    const std::vector<float>& values = lips.*track;
    for (std::size_t row = 0; column >= 0 && row < curve.rows(); ++row) {
      const double at = (curve.times_s[row] + kEarly_s) / kStep_s;
      if (!(at >= 0 && at < double(values.size()))) continue;  // before or after the sound
      const auto before = std::size_t(at), after = std::min(before + 1, values.size() - 1);
      const double value = std::lerp(double(values[before]), double(values[after]), at - double(before));
      float& au = curve.values.row(int(row))[column];
      au = std::max(au, float(std::min(1., amount * share * value)));
    }
  }
}

bool moves_with_lips(std::string_view au) {
  return std::ranges::any_of(kLipAus, [&](const LipAu& lip) { return lip.name == au; });
}

}  // namespace emo
