#include "engine/pipeline/face_aus.h"

#include <gtest/gtest.h>

namespace emo {
namespace {

/// Twenty frames, ten a second; a face that rests at 0.2 in AU12 and smiles once, and none in frames 5 and 6.
AuCurve actor() {
  AuCurve curve({"AU12", "AU04"}, {});
  for (int i = 0; i < 20; ++i) curve.times_s.push_back(i / 10.);
  curve.values = Matrix(20, 2);
  curve.confidence.assign(20, 1);
  for (int i = 0; i < 20; ++i) curve.values.row(i)[0] = i >= 10 && i < 14 ? 0.6f : 0.2f;
  for (const int i : {5, 6}) curve.confidence[std::size_t(i)] = 0, curve.values.row(i)[0] = 0;
  return curve;
}

TEST(Driving, CountsFromTheRestingFaceUnderTheDrivenNames) {
  const AuCurve curve = driving(actor(), {"AU04", "AU12", "AU26"});
  ASSERT_EQ(curve.rows(), 18u);
  EXPECT_EQ(curve.names, (std::vector<std::string>{"AU04", "AU12", "AU26"}));
  EXPECT_FLOAT_EQ(curve.row(0).get("AU12"), 0);
  EXPECT_FLOAT_EQ(curve.row(8).get("AU12"), 0.5f);  // (0.6 - 0.2) / (1 - 0.2)
  EXPECT_EQ(curve.row(8).get("AU26"), 0);
}

TEST(Driving, LeavesFramesWithoutAFaceOut) {
  const AuCurve curve = driving(actor(), {"AU12"});
  EXPECT_DOUBLE_EQ(curve.times_s[4], 0.4);
  EXPECT_DOUBLE_EQ(curve.times_s[5], 0.7);
}

TEST(Driving, TakesTheFaceAtASecondAsResting) {
  const AuCurve curve = driving(actor(), {"AU12"}, 1.02);
  for (std::size_t i = 0; i < curve.rows(); ++i) EXPECT_FLOAT_EQ(curve.row(i).get("AU12"), 0);
}

}  // namespace
}  // namespace emo
