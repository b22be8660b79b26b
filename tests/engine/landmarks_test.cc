#include "engine/expression/landmarks.h"

#include <gtest/gtest.h>

#include <cmath>
#include <optional>

#include "tests/random_generator.h"
#include "tests/reader_file.h"
#include "tests/temp_dir.h"

namespace emo {
namespace {

/// A reader's file whose mean face is random but for its eyes.
class FaceShapeTest : public ::testing::Test {
 protected:
  FaceShapeTest() {
    config_.image_size = 8, config_.channels = {8}, config_.strides = {2};
    config_.eye_distance = 0.5, config_.eyes_x = 0.5, config_.eyes_y = 0.25;
    mean_ = random_values(kFacePoints * 2, 3);
    mean_[2 * 33] = -0.5f, mean_[2 * 33 + 1] = -0.4f;
    mean_[2 * 263] = 0.5f, mean_[2 * 263 + 1] = -0.4f;
    write_reader(dir_ / "r.safetensors", config_, {{"shape.mean", mean_}});
    file_.emplace(dir_ / "r.safetensors");
  }

  /// The face in a picture: 100 px a unit, turned about its middle, which lies at (300, 200).
  std::vector<Point> seen(float roll) const {
    std::vector<Point> points;
    for (int i = 0; i < kFacePoints; ++i) {
      const float x = mean_[2 * i], y = mean_[2 * i + 1];
      points.push_back(
          {300 + 100 * (std::cos(roll) * x - std::sin(roll) * y), 200 + 100 * (std::sin(roll) * x + std::cos(roll) * y)});
    }
    return points;
  }

  TempDir dir_;
  ReaderConfig config_;
  std::vector<float> mean_;
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

}  // namespace
}  // namespace emo
