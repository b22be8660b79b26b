// What the shipped generator draws on the sample, made grey, sepia and dark.
#include "engine/backend/shared/tone.h"

#include <cmath>
#include <functional>

#include "engine/engine.h"
#include "tests/media/files.h"
#include "tests/temp_dir.h"

namespace emo {
namespace {

constexpr Box kFace{177, 79, 94};  // the sample's

Image astronaut(const std::function<void(std::uint8_t* rgb)>& change) {
  Image image = media().load_image(EMO_SOURCE_DIR "/samples/astronaut.png", {});
  for (std::size_t i = 0; i < image.rgb.size(); i += 3) change(&image.rgb[i]);
  return image;
}
std::uint8_t byte(double v) { return std::uint8_t(std::lround(std::clamp(v, 0., 255.))); }
void grey(std::uint8_t* p) { p[0] = p[1] = p[2] = byte(0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2]); }
void sepia(std::uint8_t* p) {
  const double r = p[0], g = p[1], b = p[2];
  p[0] = byte(0.393 * r + 0.769 * g + 0.189 * b);
  p[1] = byte(0.349 * r + 0.686 * g + 0.168 * b);
  p[2] = byte(0.272 * r + 0.534 * g + 0.131 * b);
}
void fifth(std::uint8_t* p) {
  for (int c = 0; c < 3; ++c) p[c] = byte(p[c] / 5.);
}

Image through_jpeg(const Image& image) {
  const TempDir dir;
  media().save_image(dir / "a.jpg", image);
  return media().load_image(dir / "a.jpg", {});
}

Image smiling(const Image& photo) {
  static const Engine engine({.generator = EMO_SOURCE_DIR "/weights/generator.safetensors",
                              .backend = {.kind = BackendKind::kCpu, .precision = Precision::kFp32}});
  Image out = photo;
  FaceJob job{.photo = photo, .face = kFace, .au = parse_action_units("6=1,12=1", default_au_names()), .out = out};
  engine.redraw_all({&job, 1});
  return out;
}

Tone tone_of(const Image& photo) { return emo::tone_of(photo, scaled(kFace, 1.1)); }

/// The mean and the largest difference of two pictures' values under the face, one brightened.
struct Difference {
  double mean = 0, most = 0;
};
Difference difference(const Image& a, const Image& b, double b_times = 1) {
  Difference d;
  int count = 0;
  for (int y = int(kFace.y); y < int(kFace.y + kFace.side); ++y) {
    for (int x = int(kFace.x); x < int(kFace.x + kFace.side); ++x) {
      for (int c = 0; c < 3; ++c, ++count) {
        const double off = std::abs(a.pixel(x, y)[c] - b_times * b.pixel(x, y)[c]);
        d.mean += off, d.most = std::max(d.most, off);
      }
    }
  }
  d.mean /= count;
  return d;
}

TEST(ToneOfTheSample, InColourIsPlain) {
  const Image photo = astronaut([](std::uint8_t*) {});
  EXPECT_TRUE(tone_of(photo).plain());
  EXPECT_TRUE(tone_of(through_jpeg(photo)).plain());
}

TEST(ToneOfTheSample, MadeGreySheSmilesInGrey) {
  for (const Image& photo : {astronaut(grey), through_jpeg(astronaut(grey))}) {
    const Image out = smiling(photo);
    int spread = 0;
    for (std::size_t i = 0; i < out.rgb.size(); i += 3) {
      const auto [low, high] = std::minmax({out.rgb[i], out.rgb[i + 1], out.rgb[i + 2]});
      spread = std::max(spread, high - low);
    }
    EXPECT_LE(spread, 2);
    EXPECT_GT(difference(photo, out).mean, 3);
  }
}

/// How far the colours under the face are from the sepia filter's, on average: its red is 1.125 times its green, up to 255,
/// its blue 0.779 times.
double off_sepia(const Image& image) {
  double off = 0;
  int count = 0;
  for (int y = int(kFace.y); y < int(kFace.y + kFace.side); ++y) {
    for (int x = int(kFace.x); x < int(kFace.x + kFace.side); ++x, ++count) {
      const std::uint8_t* p = image.pixel(x, y);
      off += std::max(std::abs(std::min(255., 1.125 * p[1]) - p[0]), std::abs(0.779 * p[1] - p[2]));
    }
  }
  return off / count;
}

TEST(ToneOfTheSample, MadeSepiaSheSmilesInSepia) {
  for (const Image& photo : {astronaut(sepia), through_jpeg(astronaut(sepia))}) {
    EXPECT_FALSE(tone_of(photo).curve.empty());
    const Image out = smiling(photo);
    EXPECT_LT(off_sepia(out), off_sepia(photo) + 1);
    EXPECT_GT(difference(photo, out).mean, 3);
  }
}

TEST(ToneOfTheSample, AtAFifthOfTheLightSheSmilesAsInFullLight) {
  const Image photo = astronaut([](std::uint8_t*) {}), dark = astronaut(fifth), jpeg = through_jpeg(dark);
  const Image bright = smiling(photo);
  const Difference d = difference(bright, smiling(dark), 5);
  EXPECT_LE(d.most, 4 * 5);  // of the dark photo's levels four
  EXPECT_LT(d.mean, 4);
  EXPECT_LT(difference(bright, smiling(jpeg), 5).mean, difference(photo, jpeg, 5).mean + 1);
}

}  // namespace
}  // namespace emo
