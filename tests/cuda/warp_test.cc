#include "engine/backend/cuda/warp.h"

#include <gtest/gtest.h>

#include <limits>

#include "engine/backend/shared/warp.h"
#include "tests/mean_face.h"
#include "tests/random_image.h"
#include "tests/simt/seeds.h"
#include "tests/throws.h"

namespace emo {
namespace {

/// A photo as four bytes a pixel, blue first.
struct Bgra {
  explicit Bgra(const Image& image) : width(image.width), height(image.height) {
    for (std::size_t i = 0; i < image.rgb.size(); i += 3) {
      bytes.insert(bytes.end(), {image.rgb[i + 2], image.rgb[i + 1], image.rgb[i], 255});
    }
  }
  ImageView view() const { return {bytes.data(), width, height, std::ptrdiff_t(4) * width, PixelOrder::kBgra}; }
  int width, height;
  std::vector<std::uint8_t> bytes;
};

class CudaWarpTest : public ::testing::Test {
 protected:
  Image drawn(const ImageView& photo, const FaceMesh& mesh, const Tone& tone = {}) const {
    Image out(photo.width, photo.height);
    warp_.draw(photo, mesh, tone, out);
    return out;
  }
  static Image drawn_by_cpu(const ImageView& photo, const FaceMesh& mesh, const Tone& tone = {}) {
    Image out(photo.width, photo.height);
    warp_face(photo, mesh, tone, out, row_by_row);
    return out;
  }
  /// The CPU draws a photo of four bytes a pixel with the loops that the device has, and one of three by sums in another
  /// order. The simulator rounds as the loops do: the same bytes. A GPU rounds a product and its sum once, as the other
  /// order does: places are off by some 3e-5 px and sums by 1e-4 levels, so a byte falls to the other side of a half now and
  /// then; and where a place lies on the border of two layers it may get the other.
  void expect_as_cpu(const Image& photo, const FaceMesh& mesh, const Tone& tone = {}) const {
    const Bgra four(photo);
    const Image want = drawn_by_cpu(four.view(), mesh, tone);
    const Image got = drawn(photo, mesh, tone), got_of_four = drawn(four.view(), mesh, tone);
    EXPECT_EQ(got_of_four.rgb, got.rgb);
    std::size_t others = 0;
    for (std::size_t i = 0; i < got.rgb.size(); ++i) others += got.rgb[i] != want.rgb[i];
#ifdef EMO_SIMT
    EXPECT_EQ(others, 0u);
#else
    EXPECT_LE(others, got.rgb.size() / 500);
#endif
    const Image three = drawn_by_cpu(photo, mesh, tone);
    others = 0;
    for (std::size_t i = 0; i < got.rgb.size(); ++i) {
      others += got.rgb[i] != three.rgb[i];
#ifdef EMO_SIMT
      ASSERT_NEAR(got.rgb[i], three.rgb[i], 1) << i;
#endif
    }
    EXPECT_LE(others, got.rgb.size() / 500);
    EXPECT_NE(got.rgb, Image(photo.width, photo.height).rgb) << "nothing was drawn";
  }

  const CudaWarp warp_;
  const MeanFace face_;
};

TEST_F(CudaWarpTest, DrawsWhatTheCpuDraws) {
  const Image photo = noise(151, 163);
  for (const char* au : {"AU26", "AU45", "AU04", "AU12"}) {
    SCOPED_TRACE(au);
    expect_as_cpu(photo, face_.mesh(face_.at(75.3f, 61.9f, 40), au));
  }
}

TEST_F(CudaWarpTest, InAnyOrderOfThreads) {
  const Image photo = noise(71, 83);
  const FaceMesh mesh = face_.mesh(face_.at(35, 33, 20), "AU26");
  const Image want = drawn_by_cpu(Bgra(photo).view(), mesh);
  for_each_seed([&] {
#ifdef EMO_SIMT
    EXPECT_EQ(drawn(photo, mesh).rgb, want.rgb);
#endif
    EXPECT_EQ(drawn(photo, mesh).rgb, drawn(photo, mesh).rgb);
  });
}

TEST_F(CudaWarpTest, TurnedCutByTheEdgeAndTiny) {
  const Image photo = noise(97, 90);
  for (const float roll : {0.4f, -1.3f, 3.f}) expect_as_cpu(photo, face_.mesh(face_.at(45, 40, 24, roll), "AU26"));
  for (const Point at : {Point{3, 40}, {95, 41}, {40, 2}, {41, 86}}) {
    expect_as_cpu(photo, face_.mesh(face_.at(at.x, at.y, 30), "AU26"));
  }
  for (const float unit : {1.f, 4.f, 12.f}) expect_as_cpu(photo, face_.mesh(face_.at(50, 40, unit), "AU26"));
}

// Twice as many pixels of the photo as of the picture, and more: the mean of samples.
TEST_F(CudaWarpTest, AFaceThatShrinks) {
  const Image photo = noise(160, 150);
  for (const float share : {0.5f, 0.21f}) {
    FaceMesh mesh = face_.mesh(face_.at(80, 70, 44), "AU26");
    for (Point& p : mesh.picture) p = {80 + share * (p.x - 80), 70 + share * (p.y - 70)};
    expect_as_cpu(photo, mesh);
  }
}

TEST_F(CudaWarpTest, TheMouthIsPaintedInThePhotosTone) {
  const Image photo = noise(90, 100);
  const FaceMesh mesh = face_.mesh(face_.at(45, 40, 30), "AU26");
  Tone tone{.gain = 2};
  expect_as_cpu(photo, mesh, tone);
  for (const ToneColour& colour : {ToneColour{20, {{30, 20, 10}}}, {100, {{110, 100, 80}}}, {200, {{210, 200, 180}}}}) {
    tone.curve.push_back(colour);
    expect_as_cpu(photo, mesh, tone);
  }
}

TEST_F(CudaWarpTest, InPlaceAndBesideTheFaceThePhotoStays) {
  const Image photo = noise(120, 110);
  const FaceMesh mesh = face_.mesh(face_.at(60, 50, 15), "AU26");
  const Image want = drawn(photo, mesh);
  Image in_place = photo;
  warp_.draw(in_place, mesh, {}, in_place);
  const PixelArea area = area_under(photo, mesh);
  for (int y = 0; y < photo.height; ++y) {
    for (int x = 0; x < photo.width; ++x) {
      const std::uint8_t* from = area.holds(x, y) ? want.pixel(x, y) : photo.pixel(x, y);
      for (int c = 0; c < 3; ++c) ASSERT_EQ(in_place.pixel(x, y)[c], from[c]) << x << ',' << y;
    }
  }
  EXPECT_LT(area.width(), photo.width) << "else nothing beside is told";
}

TEST_F(CudaWarpTest, AFaceFarOutsideThePhotoLeavesIt) {
  const Image photo = noise(40, 30);
  for (const float far : {1e4f, -1e4f, 1e7f}) {
    Image out = photo;
    warp_.draw(photo, face_.mesh(face_.at(far, far, 61), "AU26"), {}, out);
    EXPECT_EQ(out.rgb, photo.rgb) << far;
  }
}

// Where they are read and written, NaN and huge values stay in the photo: the simulator ends the program otherwise.
TEST_F(CudaWarpTest, NoMeshReachesOutside) {
  const Image photo = noise(60, 50);
  for (const float odd : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), -1e30f}) {
    FaceMesh mesh = face_.mesh(face_.at(30, 25, 14), "AU26");
    for (std::size_t i = 0; i < mesh.picture.size(); i += 3)
      mesh.photo[i].x = odd, mesh.picture[(i + 7) % kMeshPoints].y = odd;
    for (std::size_t i = 0; i < mesh.texture.size(); i += 5) mesh.texture[i].y = odd;
    mesh.mouth.after[3].x = mesh.lashes[0].line[2].y = odd;
    EXPECT_NO_THROW(drawn(photo, mesh)) << odd;
  }
}

TEST_F(CudaWarpTest, ThePictureHasThePhotosSize) {
  const Image photo = noise(40, 30);
  Image other(10, 10);
  EXPECT_EQ(text_of(ErrorKind::kInternal, [&] { warp_.draw(photo, face_.mesh(face_.at(20, 15, 10), "AU26"), {}, other); }),
            "warp: the photo has 40x30 px and the picture 10x10");
}

}  // namespace
}  // namespace emo
