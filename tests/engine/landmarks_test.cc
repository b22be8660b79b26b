#include "engine/expression/landmarks.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "tests/random_generator.h"
#include "tests/temp_dir.h"

namespace emo {
namespace {

/// A reader's file whose mean face is random, about as wide as high and flatter than deep, and whose fit is plain least
/// squares of AUs that move each point at random, but for those that carry the head's pose.
class FaceShapeTest : public ::testing::Test {
 protected:
  FaceShapeTest() {
    config_.image_size = 8, config_.channels = {8}, config_.strides = {2};
    config_.eye_distance = 0.5, config_.eyes_x = 0.5, config_.eyes_y = 0.25;
    const std::size_t aus = config_.au_names.size();
    std::map<std::string, std::vector<float>> values;
    std::map<std::string, RawTensor> tensors;
    mean_ = random_values(kFacePoints * 3, 3);
    for (int i = 0; i < kFacePoints; ++i) mean_[3 * i + 2] *= 0.3f;
    set_mean(33, {-0.5f, 0.4f, 0}), set_mean(263, {0.5f, 0.4f, 0});
    set_mean(13, {0, -0.4f, 0}), set_mean(14, {0, -0.5f, 0});
    basis_ = random_values(aus * 2 * kSkinPoints, 4, -0.1f, 0.1f);
    for (const int rigid : {33, 133, 362, 263, 168, 6,   197, 195, 5,   4,   1,  2,   98, 327, 10,  151, 13,
                            14, 9,   234, 454, 127, 356, 93,  323, 172, 397, 54, 284, 67, 297, 109, 338}) {
      for (std::size_t j = 0; j < aus; ++j)
        basis_[j * 2 * kSkinPoints + 2 * rigid] = basis_[j * 2 * kSkinPoints + 2 * rigid + 1] = 0;
    }
    values["shape.mean"] = mean_, values["shape.fit"] = basis_;
    for (std::size_t j = 0; j < aus; ++j) {
      for (std::size_t k = 0; k < aus; ++k) {
        double sum = 0;
        for (int i = 0; i < 2 * kSkinPoints; ++i)
          sum += double(basis_[j * 2 * kSkinPoints + i]) * basis_[k * 2 * kSkinPoints + i];
        values["shape.gram"].push_back(float(sum));
      }
    }
    for (const TensorSpec& spec : reader_tensors(config_)) {
      std::size_t count = 1;
      for (const auto extent : spec.shape) count *= std::size_t(extent);
      values[spec.name].resize(count);
      tensors[spec.name] = {DType::kF32, spec.shape, std::as_bytes(std::span(values[spec.name]))};
    }
    write_safetensors(dir_ / "r.safetensors", tensors, {{ModelFile::kMetadataKey, to_json(config_)}});
    file_.emplace(dir_ / "r.safetensors");
  }

  void set_mean(int i, std::array<float, 3> place) { std::copy_n(place.data(), 3, &mean_[3 * i]); }

  /// The face in a picture: 100 px a unit, turned about its middle, which lies at (300, 200).
  std::vector<Point> seen(float roll, const std::vector<float>& au = {}) const {
    std::vector<Point> points;
    for (int i = 0; i < kFacePoints; ++i) {
      float x = mean_[3 * i], y = -mean_[3 * i + 1];
      for (std::size_t j = 0; j < au.size() && i < kSkinPoints; ++j) {
        x += au[j] * basis_[j * 2 * kSkinPoints + 2 * i], y -= au[j] * basis_[j * 2 * kSkinPoints + 2 * i + 1];
      }
      points.push_back(
          {300 + 100 * (std::cos(roll) * x - std::sin(roll) * y), 200 + 100 * (std::sin(roll) * x + std::cos(roll) * y)});
    }
    return points;
  }

  TempDir dir_;
  ReaderConfig config_;
  std::vector<float> mean_, basis_;
  std::optional<ModelFile> file_;
};

TEST_F(FaceShapeTest, BoxLiesRoundTheEyesAsTheConfigSays) {
  const Box box = FaceShape(*file_).box(seen(0));
  // The eyes' middle is at (300, 160): a quarter below the top edge of a box of 2 x 100 px.
  EXPECT_NEAR(box.side, 200, 1e-3);
  EXPECT_NEAR(box.x, 200, 1e-2);
  EXPECT_NEAR(box.y, 110, 1e-2);
  EXPECT_NEAR(box.roll, 0, 1e-5);
}

TEST_F(FaceShapeTest, BoxTurnsWithTheFace) {
  const Box upright = FaceShape(*file_).box(seen(0));
  for (const float roll : {0.3f, -1.f, 2.5f, -3.1f}) {
    const Box box = FaceShape(*file_).box(seen(roll));
    EXPECT_NEAR(box.side, upright.side, 1e-3);
    EXPECT_NEAR(box.roll, roll, 1e-5);
    const float x = upright.x + upright.side / 2 - 300, y = upright.y + upright.side / 2 - 200;
    EXPECT_NEAR(box.x + box.side / 2, 300 + std::cos(roll) * x - std::sin(roll) * y, 1e-2);
    EXPECT_NEAR(box.y + box.side / 2, 200 + std::sin(roll) * x + std::cos(roll) * y, 1e-2);
  }
}

TEST_F(FaceShapeTest, AusOfAMovedMeanFaceComeBackAtAnyRoll) {
  std::vector<float> au(config_.au_names.size());
  au[0] = 0.4f, au[8] = 1, au[14] = 0.25f;  // AU01, AU12, AU25
  for (const float roll : {0.f, 0.4f, -2.f}) {
    const auto got = FaceShape(*file_).aus(seen(roll, au)).values();
    for (std::size_t j = 0; j < au.size(); ++j) EXPECT_NEAR(got[j], au[j], 1e-3) << config_.au_names[j];
  }
}

TEST_F(FaceShapeTest, AusNeverGoBelowZeroAndLipsThatTouchAreShut) {
  std::vector<float> au(config_.au_names.size());
  au[14] = 0.5f, au[3] = -0.5f;
  auto points = seen(0, au);
  EXPECT_NEAR(FaceShape(*file_).aus(points).get("AU25"), 0.5, 0.1);
  EXPECT_EQ(FaceShape(*file_).aus(points).get("AU05"), 0);
  points[14] = {points[13].x, points[13].y + 1};  // 0.01 of the distance between the eyes
  EXPECT_EQ(FaceShape(*file_).aus(points).get("AU25"), 0);
}

TEST_F(FaceShapeTest, LandmarksInOnePlaceShowNothing) {
  const auto au = FaceShape(*file_).aus(std::vector<Point>(kFacePoints, {5, 5}));
  EXPECT_EQ(au.norm(), 0);
}

}  // namespace
}  // namespace emo
