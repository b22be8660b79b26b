#include "engine/expression/lips.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "tests/random_generator.h"

namespace emo {
namespace {

constexpr int kRate = 16000;

struct Sound {
  double seconds, f1, f2, loudness;
};
constexpr Sound kAh{0.2, 750, 1200, 0.3}, kEe{0.2, 280, 2300, 0.3}, kShut{0.08, 500, 1500, 0}, kPause{0.5, 500, 1500, 0};
constexpr Sound kEm{0.08, 250, 250, 0.1};  // a nasal's murmur: nothing above its first resonance

/// A voice of 120 Hz: pulses through two resonances.
std::vector<float> speak(const std::vector<Sound>& sounds) {
  std::vector<float> pcm;
  std::array<double, 2> first{}, second{};
  double phase = 0;
  for (const auto& [seconds, f1, f2, loudness] : sounds) {
    const auto resonate = [](std::array<double, 2>& past, double x, double hz) {
      const double r = std::exp(-std::numbers::pi * 80 / kRate), angle = 2 * std::numbers::pi * hz / kRate;
      const double y = (1 - r) * x + 2 * r * std::cos(angle) * past[0] - r * r * past[1];
      past = {y, past[0]};
      return y;
    };
    for (int i = 0; i < int(seconds * kRate); ++i) {
      phase += 120. / kRate;
      const double pulse = phase >= 1 ? (phase -= 1, 10 * loudness) : 0;
      const double low = resonate(first, pulse, f1);
      pcm.push_back(float(f2 == f1 ? low : low + 2 * resonate(second, pulse, f2)));
    }
  }
  return pcm;
}

float at(const std::vector<float>& track, double seconds) { return track.at(std::size_t(seconds / 0.01)); }

float highest(const LipTrack& lips) { return lips.opening.empty() ? 0 : *std::ranges::max_element(lips.opening); }

TEST(HearLips, OpenVowelsOpenTheMouthAndFrontOnesSpreadTheLips) {
  const LipTrack lips = hear_lips(speak({kPause, kAh, kEe, kAh, kEe, kPause}), kRate);
  ASSERT_EQ(lips.opening.size(), 180u);
  for (const double ah : {0.65, 1.05}) {
    EXPECT_GT(at(lips.opening, ah), 0.8f);
    EXPECT_LT(at(lips.spread, ah), 0.2f);
    EXPECT_LT(at(lips.opening, ah + 0.2), 0.6f * at(lips.opening, ah));
    EXPECT_GT(at(lips.spread, ah + 0.2), 0.5f);
  }
  EXPECT_LT(at(lips.opening, 0.4), 0.01f);
}

TEST(HearLips, StopsAndNasalsOf80MsShutThem) {
  for (const Sound& closure : {kShut, kEm}) {
    const LipTrack lips = hear_lips(speak({kPause, kAh, closure, kAh, kEe, kPause}), kRate);
    EXPECT_GT(at(lips.opening, 0.69), 0.7f);
    EXPECT_LT(at(lips.opening, 0.77), 0.35f);
    EXPECT_GT(at(lips.opening, 0.9), 0.7f);
  }
}

TEST(HearLips, SilenceNoiseAndNothingStayShut) {
  EXPECT_TRUE(hear_lips({}, kRate).opening.empty());
  EXPECT_EQ(highest(hear_lips(std::vector<float>(kRate), kRate)), 0.f);
  EXPECT_EQ(highest(hear_lips(random_values(3 * kRate, 1, -0.3f, 0.3f), kRate)), 0.f);
  EXPECT_EQ(highest(hear_lips(random_values(3 * kRate, 1, -2e-4f, 2e-4f), kRate)), 0.f);
}

TEST(HearLips, LoudnessAndAClickBeforeChangeNothing) {
  const auto pcm = speak({kPause, kAh, kShut, kEe, kAh, kPause});
  auto quiet = pcm, clicked = pcm;
  for (float& x : quiet) x *= 0.02f;
  std::fill_n(clicked.begin() + 1000, 160, 1.f);
  const LipTrack want = hear_lips(pcm, kRate), faint = hear_lips(quiet, kRate), late = hear_lips(clicked, kRate);
  for (std::size_t i = 0; i < want.opening.size(); ++i) EXPECT_NEAR(faint.opening[i], want.opening[i], 0.01) << i;
  for (std::size_t i = 40; i < want.opening.size(); ++i) EXPECT_NEAR(late.opening[i], want.opening[i], 0.1) << i;
}

TEST(HearLips, OtherRatesHearTheSame) {
  const auto pcm = speak({kPause, kAh, kEe, kAh, kPause});
  std::vector<float> every_second;
  for (std::size_t i = 0; i < pcm.size(); i += 2) every_second.push_back(pcm[i]);
  const LipTrack want = hear_lips(pcm, kRate), got = hear_lips(every_second, kRate / 2);
  ASSERT_EQ(got.opening.size(), want.opening.size());
  for (const double t : {0.4, 0.65, 0.85, 1.05}) EXPECT_NEAR(at(got.opening, t), at(want.opening, t), 0.2) << t;
}

TEST(AddLips, TheGreaterCountsAndComes25MsEarly) {
  LipTrack lips{std::vector<float>(101, 0.f), std::vector<float>(101, 0.f)};
  lips.opening[50] = 1;
  AuCurve curve({"AU12", "AU25", "AU26"}, {0.0, 0.465, 0.475, 0.5, 9.0});
  for (int row = 0; row < curve.values.rows; ++row) curve.values.row(row)[2] = 0.2f;
  add_lips(curve, lips, 1);
  EXPECT_FLOAT_EQ(curve.row(2).get("AU25"), 0.6f);
  EXPECT_NEAR(curve.row(1).get("AU25"), 0, 1e-6);
  EXPECT_FLOAT_EQ(curve.row(2).get("AU26"), 0.45f);
  for (const std::size_t row : {0, 1, 3, 4}) EXPECT_EQ(curve.row(row).get("AU26"), 0.2f) << "an open mouth stays open";
  for (std::size_t row = 0; row < 5; ++row) EXPECT_EQ(curve.row(row).get("AU12"), 0.f);
}

TEST(AddLips, TheAmountMultipliesAndNoneLeavesTheCurve) {
  const LipTrack lips{std::vector<float>(10, 0.5f), std::vector<float>(10, 0.f)};
  const auto with = [&](double amount) {
    AuCurve curve({"AU25"}, {0.0});
    add_lips(curve, lips, amount);
    return curve.row(0).get("AU25");
  };
  EXPECT_EQ(with(0), 0.f);
  EXPECT_FLOAT_EQ(with(1), 0.3f);
  EXPECT_FLOAT_EQ(with(2), 0.6f);
}

}  // namespace
}  // namespace emo
