#include "engine/expression/animation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/throws.h"

namespace emo {
namespace {

const std::vector<std::string> kNames = {"AU12", "AU45"};

/// Rows of AU12 at i / fps.
AuCurve curve_of(const std::vector<float>& values, double fps = 25) {
  AuCurve curve(kNames, std::vector<double>(values.size()));
  for (std::size_t i = 0; i < values.size(); ++i) {
    curve.times_s[i] = double(i) / fps;
    curve.set_row(i, {kNames, std::vector<float>{values[i], 0}});
  }
  return curve;
}

std::vector<float> column(const AuCurve& curve, const char* name) {
  std::vector<float> values;
  for (std::size_t i = 0; i < curve.rows(); ++i) values.push_back(curve.row(i).get(name));
  return values;
}

/// How often AU45 reaches 1.
int blinks(const AuCurve& curve) { return int(std::ranges::count(column(curve, "AU45"), 1.f)); }

TEST(AtFrames, RowsBetweenAreOnTheStraightLine) {
  AuCurve curve = curve_of({0.2f, 0.6f, 0.f});
  curve.times_s = {1, 2, 4};
  const auto values = column(at_frames(curve, 11, 2), "AU12");  // 0, 0.5 ... 5 s
  const std::vector<float> want = {0.2f, 0.2f, 0.2f, 0.4f, 0.6f, 0.45f, 0.3f, 0.15f, 0, 0, 0};
  for (std::size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(values[i], want[i], 1e-6) << i;
}

TEST(AtFrames, ItsOwnRateGivesTheCurveBack) {
  const AuCurve curve = curve_of({0.1f, 0.9f, 0.3f, 0.4f, 1.f});
  EXPECT_EQ(column(at_frames(curve, 5, 25), "AU12"), column(curve, "AU12"));
}

TEST(Smooth, ConstantStays) {
  AuCurve curve = curve_of(std::vector<float>(19, 0.7f));
  smooth(curve, 0.04, std::vector(2, 0.1));
  for (const float v : column(curve, "AU12")) EXPECT_EQ(v, 0.7f);
}

TEST(Smooth, APeakStaysAtItsTimeWithEvenSides) {
  std::vector<float> impulse(201, 0.f);
  impulse[100] = 1;
  AuCurve curve = curve_of(impulse);
  smooth(curve, 0.04, std::vector(2, 0.1));
  const auto values = column(curve, "AU12");
  EXPECT_EQ(std::ranges::max_element(values) - values.begin(), 100);
  const float fall = std::exp(-0.4f);  // a step of 0.04 s at a time constant of 0.1 s
  for (std::size_t i = 1; i < 20; ++i) {
    EXPECT_NEAR(values[100 - i], values[100 + i], 1e-6) << i;
    EXPECT_NEAR(values[100 + i], values[100 + i - 1] * fall, 1e-6) << i;
  }
}

TEST(AnimationCurve, LipsThatSpeakAreSmoothedAThirdAsLong) {
  const auto after = [](bool lips_move) {
    AuCurve curve({"AU12", "AU25"}, {0.0, 0.04, 0.08});
    curve.values.row(1)[0] = curve.values.row(1)[1] = 1;
    return animation_curve(curve, 3, {.lips_move = lips_move, .ease_s = 0, .blink = false}).row(1);
  };
  const float smile = after(true).get("AU12");
  EXPECT_EQ(after(false).get("AU12"), smile);
  EXPECT_EQ(after(false).get("AU25"), smile);
  EXPECT_GT(after(true).get("AU25"), 2 * smile);
}

TEST(Ease, StartsAndEndsNeutralAndLeavesTheMiddle) {
  AuCurve curve = curve_of(std::vector<float>(51, 0.8f));  // 2 s
  ease(curve, 0.4);
  const auto values = column(curve, "AU12");
  EXPECT_EQ(values.front(), 0.f);
  EXPECT_EQ(values.back(), 0.f);
  EXPECT_NEAR(values[5], 0.4, 1e-6);  // 0.2 s: half-way
  for (std::size_t i = 10; i <= 40; ++i) EXPECT_EQ(values[i], 0.8f) << i;
  for (std::size_t i = 0; i < 51; ++i) EXPECT_NEAR(values[i], values[50 - i], 1e-6) << i;
}

TEST(Ease, ShortClipsReachTheirPeakInTheMiddleAndASingleRowStays) {
  AuCurve three = curve_of({0.8f, 0.8f, 0.8f}), one = curve_of({0.8f});
  ease(three, 5);
  ease(one, 5);
  EXPECT_EQ(column(three, "AU12"), (std::vector<float>{0, 0.8f, 0}));
  EXPECT_EQ(column(one, "AU12"), std::vector<float>{0.8f});
}

TEST(Blinks, ComeAsOftenAsInAPersonAtEveryFrameRate) {
  for (const double fps : {7.0, 25.0, 29.97, 120.0}) {
    AuCurve curve = curve_of(std::vector<float>(std::size_t(600 * fps), 0.f), fps);
    add_blinks(curve, fps, 1);
    // 600 s / 3.3 s = 182, with a standard deviation of sqrt(182) * 2.3 / 3.3 = 9.4; four of them.
    EXPECT_NEAR(blinks(curve), 182, 38) << fps;
    EXPECT_EQ(column(curve, "AU12"), std::vector<float>(curve.rows(), 0.f));
  }
}

TEST(Blinks, GoDownFasterThanUpAndNeverOpenWiderEyes) {
  AuCurve curve = curve_of(std::vector<float>(1000, 0.f), 100);
  for (int i = 0; i < curve.values.rows; ++i) curve.values.row(i)[1] = 0.1f;
  add_blinks(curve, 100, 3);
  const auto lid = column(curve, "AU45");
  const auto shut = std::size_t(std::ranges::find(lid, 1.f) - lid.begin());
  ASSERT_LT(shut, lid.size());
  EXPECT_NEAR(lid[shut - 5], 0.5, 1e-5);   // 0.05 s before
  EXPECT_NEAR(lid[shut + 10], 0.5, 1e-5);  // 0.1 s after
  EXPECT_EQ(lid[shut - 10], 0.1f);
  EXPECT_EQ(lid[shut + 20], 0.1f);
  EXPECT_EQ(*std::ranges::min_element(lid), 0.1f);
}

TEST(Blinks, TheSeedDecidesAndTheEndIsOpen) {
  const auto with = [](unsigned seed) {
    AuCurve curve = curve_of(std::vector<float>(500, 0.f));
    add_blinks(curve, 25, seed);
    return column(curve, "AU45");
  };
  EXPECT_EQ(with(1), with(1));
  EXPECT_NE(with(1), with(2));
  for (unsigned seed = 0; seed < 50; ++seed) EXPECT_NEAR(with(seed).back(), 0, 1e-6) << seed;
}

TEST(Blinks, AModelWithoutAu45HasNone) {
  AuCurve curve({"AU12"}, std::vector<double>(500));
  for (std::size_t i = 0; i < 500; ++i) curve.times_s[i] = double(i) / 25;
  add_blinks(curve, 25, 1);
  EXPECT_EQ(curve.values.values, std::vector<float>(500));
}

TEST(AnimationCurve, DoesAllOfIt) {
  const auto result = animation_curve(curve_of(std::vector<float>(500, 1.f)), 500, {});
  EXPECT_EQ(result.rows(), 500u);
  EXPECT_EQ(result.row(0).get("AU12"), 0.f);
  EXPECT_EQ(result.row(250).get("AU12"), 1.f);
  EXPECT_GT(blinks(result), 0);
  EXPECT_EQ(blinks(animation_curve(curve_of(std::vector<float>(500, 1.f)), 500, {.blink = false})), 0);
}

TEST(AnimationCurve, SaysWhichOptionIsOutOfRange) {
  const auto text = [](const AnimationOptions& options) {
    return text_of(ErrorKind::kUsage, [&] { animation_curve(curve_of({0.f}), 1, options); });
  };
  EXPECT_EQ(text({.fps = 0}), "`fps`: 0 came; 0.01 to 240 is needed");
  EXPECT_EQ(text({.fps = std::nan("")}), "`fps`: nan came; 0.01 to 240 is needed");
  EXPECT_EQ(text({.smooth_s = -1}), "`smooth_s`: -1 came; 0 to 10 seconds is needed");
  EXPECT_EQ(text({.ease_s = 11}), "`ease_s`: 11 came; 0 to 10 seconds is needed");
}

/// LiveAnimation's rows as a curve.
AuCurve live(const AuCurve& rows, const AnimationOptions& options) {
  LiveAnimation animation(rows.names, options);
  AuCurve shown(rows.names, rows.times_s);
  for (std::size_t i = 0; i < rows.rows(); ++i) shown.set_row(i, {rows.names, animation.next(rows.row(i).values())});
  return shown;
}

TEST(LiveAnimation, BlinksAtTheSameTimes) {
  const AuCurve rows = curve_of(std::vector<float>(1500, 0.5f));
  const AnimationOptions options{.seed = 7};
  const auto want = column(animation_curve(rows, rows.rows(), options), "AU45");
  auto got = column(live(rows, options), "AU45");
  const auto last = want.rend() - std::ranges::find_if(want.rbegin(), want.rend(), [](float lid) { return lid > 0; });
  EXPECT_TRUE(std::equal(want.begin(), want.begin() + last, got.begin()));  // a last one may be cut by the end
  EXPECT_GT(std::ranges::count(got, 1.f), 10);
}

TEST(LiveAnimation, SmoothsForwardsAlone) {
  std::vector<float> values(50, 0.f);
  values[20] = 1;
  const auto got = column(live(curve_of(values), {.smooth_s = 0.1, .ease_s = 0, .blink = false}), "AU12");
  const double keep = std::exp(-1 / (25 * 0.1));
  for (std::size_t i = 0; i < got.size(); ++i) {  // an impulse's answer
    EXPECT_NEAR(got[i], i < 20 ? 0 : (1 - keep) * std::pow(keep, double(i) - 20), 1e-6) << i;
  }
}

TEST(LiveAnimation, EasesIn) {
  const AnimationOptions options{.smooth_s = 0, .ease_s = 0.4, .blink = false};
  const AuCurve rows = curve_of(std::vector<float>(50, 1.f));
  const auto got = column(live(rows, options), "AU12"), want = column(animation_curve(rows, 50, options), "AU12");
  for (std::size_t i = 0; i < 25; ++i) EXPECT_FLOAT_EQ(got[i], want[i]) << i;
  EXPECT_EQ(got.back(), 1.f);
}

TEST(LiveAnimation, OptionsAreChecked) {
  EXPECT_EQ(text_of(ErrorKind::kUsage, [] { LiveAnimation(kNames, {.smooth_s = -1}); }),
            "`smooth_s`: -1 came; 0 to 10 seconds is needed");
}

}  // namespace
}  // namespace emo
