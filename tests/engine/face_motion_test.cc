#include "engine/expression/face_motion.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/golden_reader.h"
#include "tests/mean_face.h"
#include "tests/random_generator.h"
#include "tests/reader_file.h"
#include "tests/temp_dir.h"
#include "tests/throws.h"

namespace emo {
namespace {

class FaceMotionTest : public ::testing::Test {
 protected:
  /// The largest distance of two meshes' vertices.
  static float apart(const std::vector<Point>& a, const std::vector<Point>& b) {
    float most = 0;
    for (std::size_t i = 0; i < a.size(); ++i) most = std::max(most, std::hypot(a[i].x - b[i].x, a[i].y - b[i].y));
    return most;
  }

  const MeanFace face_;
};

// Coordinates of some 300 px in fp32, added and taken away a few times: 1e-4 px.
TEST_F(FaceMotionTest, AFaceThatShowsItAlreadyStays) {
  const auto landmarks = face_.at(300, 200, 100);
  for (const char* au : {"AU12", "AU26", "AU45", "AU04"}) {
    const auto shown = face_.showing(au, 0.6f);
    const FaceMesh mesh = face_.motion().mesh(landmarks, shown, shown);
    EXPECT_LT(apart(mesh.photo, mesh.picture), 1e-3f) << au;
    EXPECT_EQ(std::ranges::count(mesh.shade, 0.f), std::ptrdiff_t(mesh.shade.size())) << au;
    EXPECT_EQ(mesh.lashes[0].darkness, 0) << au;
  }
}

TEST_F(FaceMotionTest, AnAuMovesALandmarkAsTheBasisSays) {
  const auto basis = face_.file().floats("motion.basis");
  const auto& names = face_.file().reader().au_names;
  for (const auto& [au, point] : {std::pair{"AU12", 50}, {"AU02", 105}, {"AU26", 152}}) {  // cheek, brow, chin
    const FaceMesh mesh = face_.mesh(face_.at(300, 200, 100), au, 0.5f);
    const std::size_t row = std::size_t(std::ranges::find(names, au) - names.begin());
    const float* d = &basis[(row * kFacePoints + std::size_t(point)) * 3];
    EXPECT_NEAR(mesh.picture[point].x - mesh.photo[point].x, 50 * d[0], 1e-3) << au;
    EXPECT_NEAR(mesh.picture[point].y - mesh.photo[point].y, -50 * d[1], 1e-3) << au;
    EXPECT_GT(std::hypot(d[0], d[1]), 0.01) << au << ": too still to tell";
  }
}

TEST_F(FaceMotionTest, TheMotionTurnsWithTheHead) {
  constexpr float kRoll = 2.3f;
  const FaceMesh upright = face_.mesh(face_.at(0, 0, 100), "AU26"), turned = face_.mesh(face_.at(0, 0, 100, kRoll), "AU26");
  std::vector<Point> back;
  for (const Point p : turned.picture) {
    back.push_back({std::cos(kRoll) * p.x + std::sin(kRoll) * p.y, std::cos(kRoll) * p.y - std::sin(kRoll) * p.x});
  }
  EXPECT_LT(apart(back, upright.picture), 1e-2f);
}

TEST_F(FaceMotionTest, Au45ShutsBothEyesAndDrawsTheirLashes) {
  const FaceMesh mesh = face_.mesh(face_.at(300, 200, 100), "AU45");
  for (const auto& [upper, lower] : {std::pair{159, 145}, {386, 374}}) {
    EXPECT_GT(mesh.photo[lower].y - mesh.photo[upper].y, 5);
    EXPECT_NEAR(mesh.picture[lower].y, mesh.picture[upper].y, 1e-3);
  }
  for (const auto& lashes : mesh.lashes) {  // 0.6 of a column that is shut; those at the corners hardly are
    EXPECT_GT(lashes.darkness, 0.4);
    EXPECT_LE(lashes.darkness, 0.6);
  }
}

TEST_F(FaceMotionTest, TheOuterRingStays) {
  const FaceMesh mesh = face_.mesh(face_.at(300, 200, 100), "AU26");
  for (int p = kOuterRing; p < kFirstEye; ++p) {
    EXPECT_EQ(mesh.picture[p].x, mesh.photo[p].x);
    EXPECT_EQ(mesh.picture[p].y, mesh.photo[p].y);
  }
}

TEST_F(FaceMotionTest, MisfitIsThatOfTheWorstLandmark) {
  auto landmarks = face_.at(300, 200, 100);
  EXPECT_LT(face_.motion().misfit(landmarks), 1e-4f);
  for (const int p : {33, 10, 234}) {
    auto moved = landmarks;
    moved[p].x += 60;
    // The pose gives way to a point that is wrong: some of 0.6 goes into it.
    EXPECT_GT(face_.motion().misfit(moved), 0.2f) << p;
  }
}

TEST(FaceMotion, AReaderThatDoesNotSayHowFacesMoveIsNamed) {
  const GoldenReader golden;
  EXPECT_EQ(text_of(ErrorKind::kModel, [&] { FaceMotion motion(golden.model()); }),
            golden.model().name() +
                ": does not say how faces move (motion.basis); make it again with tools/training/reader_file.py");
}

TEST(FaceMotion, ATriangleWithAVertexThatIsNotThereIsRefused) {
  for (const float bad : {550.f, -1.f, 2.5f}) {
    ReaderConfig config;
    config.image_size = 8, config.channels = {8}, config.strides = {2}, config.triangles = 2;
    const TempDir dir;
    write_reader(dir / "r.safetensors", config, {{"motion.triangles", {0, 1, 2, 3, bad, 5}}});
    const ModelFile file(dir / "r.safetensors");
    EXPECT_EQ(text_of(ErrorKind::kModel, [&] { FaceMotion motion(file); }),
              concat(file.name(), ": motion.triangles holds ", bad, " at index 4; 0 to 549 is needed"));
  }
}

}  // namespace
}  // namespace emo
