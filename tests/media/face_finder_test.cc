// The shipped reader and the detector together, on the sample.
#include "engine/pipeline/face_finder.h"

#include <cmath>
#include <numbers>

#include "engine/backend/shared/turned_face.h"
#include "engine/pipeline/face_aus.h"
#include "engine/pipeline/shrink.h"
#include "tests/media/files.h"
#include "tests/temp_dir.h"
#include "tests/throws.h"

namespace emo {
namespace {

const Engine& reader() {
  static const Engine engine({.reader = EMO_SOURCE_DIR "/weights/reader.safetensors"});
  return engine;
}

Image astronaut() { return media().load_image(EMO_SOURCE_DIR "/samples/astronaut.png", {}); }

Image grey(Image image) {
  for (std::size_t i = 0; i < image.rgb.size(); i += 3) {
    const int mean = (image.rgb[i] + image.rgb[i + 1] + image.rgb[i + 2]) / 3;
    image.rgb[i] = image.rgb[i + 1] = image.rgb[i + 2] = std::uint8_t(mean);
  }
  return image;
}

/// The picture turned clockwise by so many degrees about its middle, of the same size, the edge repeated.
Image turned(const Image& image, float degrees) {
  const int S = image.width;
  std::vector<float> planes(std::size_t(3) * S * S);
  const Box box{0, 0, float(S), -degrees * std::numbers::pi_v<float> / 180};
  crop_turned(image, box, {0, 255, false}, {planes.data(), {1, 3, S, S}}, row_by_row);
  Image out(S, S);
  for (int i = 0; i < S * S; ++i) {
    for (int c = 0; c < 3; ++c)
      out.rgb[std::size_t(3 * i + c)] = std::uint8_t(std::lround(planes[std::size_t(c * S * S + i)]));
  }
  return out;
}

Image through_jpeg(const Image& image, const std::string& folder) {
  media().save_image(folder + "/a.jpg", image);
  return media().load_image(folder + "/a.jpg", {});
}

TEST(FaceFinder, TheSampleHasOneFaceInColourGreyAndAsJpeg) {
  const TempDir dir;
  for (const Image& photo : {astronaut(), grey(astronaut()), through_jpeg(astronaut(), dir.path().string()),
                             through_jpeg(grey(astronaut()), dir.path().string())}) {
    const auto faces = find_faces(reader(), photo, FaceCount::kAll);
    ASSERT_EQ(faces.size(), 1u);  // the detector alone takes a badge for a second one in the JPEG
    EXPECT_NEAR(faces[0].x + faces[0].side / 2, 224, 4);
    EXPECT_NEAR(faces[0].y + faces[0].side / 2, 126, 4);
    EXPECT_NEAR(faces[0].side, 94, 8);  // between the detector's and what her wide-set eyes say
    EXPECT_EQ(faces[0].roll, 0);
  }
}

TEST(FaceFinder, SmallFacesAreFoundBesideALargeOneFromTheLeastAskedFor) {
  Image group(1200, 512);
  std::ranges::fill(group.rgb, std::uint8_t(120));
  const auto put = [&](const Image& photo, int x, int y) {
    for (int row = 0; row < photo.height; ++row) std::copy_n(photo.pixel(0, row), 3 * photo.width, group.pixel(x, y + row));
  };
  put(astronaut(), 0, 0);                                              // a face of 94 px
  for (const int x : {560, 880}) put(shrunk(astronaut(), 300), x, 0);  // of 55 px
  EXPECT_EQ(find_faces(reader(), group, FaceCount::kAll).size(), 1u);
  const auto faces = find_faces(reader(), group, FaceCount::kAll, nullptr, 48);
  ASSERT_EQ(faces.size(), 3u);
  EXPECT_GT(faces[0].side, 80);
  EXPECT_NEAR(faces[2].side, 55, 6);
  EXPECT_EQ(least_face(group, 0), 80);
  EXPECT_EQ(least_face(group, 48), 48);
  EXPECT_EQ(least_face(Image(4000, 10), 0), 100);
}

TEST(FaceFinder, TheBadgesWithoutTheFaceAreNoFace) {
  Image photo = astronaut();
  for (int y = 0; y < 230; ++y) std::fill_n(photo.pixel(120, y), 3 * 210, std::uint8_t(128));
  std::string tried;
  EXPECT_TRUE(find_faces(reader(), photo, FaceCount::kLargest, &tried).empty());
  EXPECT_EQ(tried,
            "at 1x (faces from 80 px), turned by 60 degrees, turned by -60 degrees, turned by 120 degrees, turned by -120 "
            "degrees, turned by 180 degrees, 2x (from 40 px), 4x (from 20 px)");
}

TEST(FaceFinder, ATurnedFaceIsFoundWithItsRoll) {
  for (const float degrees : {20.f, -40.f, 90.f, 180.f}) {
    const auto faces = find_faces(reader(), turned(astronaut(), degrees), FaceCount::kLargest);
    ASSERT_EQ(faces.size(), 1u) << degrees;
    const float roll = degrees * std::numbers::pi_v<float> / 180;
    EXPECT_NEAR(std::remainder(faces[0].roll - roll, 2 * std::numbers::pi), 0, 0.07) << degrees;  // 4 degrees
    // The face's middle (224, 126) turned about the picture's (256, 256).
    EXPECT_NEAR(faces[0].x + faces[0].side / 2, 256 - 32 * std::cos(roll) + 130 * std::sin(roll), 5) << degrees;
    EXPECT_NEAR(faces[0].y + faces[0].side / 2, 256 - 32 * std::sin(roll) - 130 * std::cos(roll), 5) << degrees;
  }
}

TEST(FaceFinder, WithoutAReaderItIsTheDetectorAlone) {
  const Engine none({});
  const auto want = media().find_faces(astronaut(), nullptr);
  const auto got = find_faces(none, astronaut(), FaceCount::kAll);
  ASSERT_EQ(got.size(), want.size());
  EXPECT_EQ(got[0].x, want[0].x);
  EXPECT_EQ(got[0].side, want[0].side);
  EXPECT_FALSE(follow_face(none, astronaut(), want[0]));
}

TEST(FaceFinder, AFaceIsFollowedFromPlaceToPlaceAndItsLossIsSeen) {
  const Box face = find_faces(reader(), astronaut(), FaceCount::kLargest)[0];
  Box before = face;
  before.x += 12, before.y -= 9, before.side *= 1.1f;
  const auto followed = follow_face(reader(), astronaut(), before);
  ASSERT_TRUE(followed);
  EXPECT_LT(distance(face, *followed), 0.03f);
  EXPECT_FALSE(follow_face(reader(), astronaut(), {300, 350, 90}));
}

TEST(FaceAus, TheSamplesSmileIsRead) {
  const AuCurve curve = read_face_aus(reader(), astronaut(), "a.png");
  ASSERT_EQ(curve.rows(), 1u);
  EXPECT_GT(curve.confidence[0], 0.9f);
  EXPECT_GT(curve.row(0).get("AU12"), 0.4f);
  EXPECT_GT(curve.row(0).get("AU25"), 0.2f);
  EXPECT_LT(curve.row(0).get("AU45"), 0.3f);
}

TEST(FaceAus, AusAreCountedFromANeutralFace) {
  AuCurve curve({"AU12", "AU25"}, {0});
  curve.values.values = {0.6f, 0.1f};
  const std::vector<float> neutral = {0.2f, 0.3f};
  calibrate(curve, ActionUnits(curve.names, neutral));
  EXPECT_FLOAT_EQ(curve.values.row(0)[0], 0.5f);
  EXPECT_EQ(curve.values.row(0)[1], 0);
}

}  // namespace
}  // namespace emo
