#include <algorithm>
#include <cmath>
#include <thread>
#include <tuple>
#include <vector>

#include "tests/media/files.h"

namespace emo {
namespace {

Image astronaut() { return media().load_image(EMO_SOURCE_DIR "/samples/astronaut.png", {}); }

/// Every pixel the mean of factor x factor.
Image shrunk(const Image& image, int factor) {
  Image out(image.width / factor, image.height / factor);
  for (int y = 0; y < out.height; ++y) {
    for (int x = 0; x < out.width; ++x) {
      for (int c = 0; c < 3; ++c) {
        int sum = 0;
        for (int i = 0; i < factor * factor; ++i) sum += image.pixel(x * factor + i % factor, y * factor + i / factor)[c];
        out.pixel(x, y)[c] = std::uint8_t(sum / (factor * factor));
      }
    }
  }
  return out;
}

Image enlarged(const Image& image, int factor) {
  Image out(image.width * factor, image.height * factor);
  for (int y = 0; y < out.height; ++y) {
    for (int x = 0; x < out.width; ++x) std::copy_n(image.pixel(x / factor, y / factor), 3, out.pixel(x, y));
  }
  return out;
}

/// By bilinear interpolation, so that the face has any size.
Image resized(const Image& image, double factor) {
  Image out(int(image.width * factor), int(image.height * factor));
  for (int y = 0; y < out.height; ++y) {
    for (int x = 0; x < out.width; ++x) {
      const double from_x = std::min(x / factor, image.width - 1.001), from_y = std::min(y / factor, image.height - 1.001);
      const double right = from_x - int(from_x), lower = from_y - int(from_y);
      const auto *above = image.pixel(int(from_x), int(from_y)), *below = image.pixel(int(from_x), int(from_y) + 1);
      for (int c = 0; c < 3; ++c) {
        const double top = above[c] + right * (above[c + 3] - above[c]),
                     bottom = below[c] + right * (below[c + 3] - below[c]);
        out.pixel(x, y)[c] = std::uint8_t(std::lround(top + lower * (bottom - top)));
      }
    }
  }
  return out;
}

void put(Image& canvas, const Image& image, int x, int y) {
  for (int row = 0; row < image.height; ++row) {
    std::copy_n(image.pixel(0, row), std::size_t(image.width) * 3, canvas.pixel(x, y + row));
  }
}

/// The astronaut's face, brow to chin, is at (223, 127), 88 pixels wide. HOG cells are 8 pixels, the pyramid's steps 6/5,
/// so a cell in the place and a step in the side is what the detector can tell.
void expect_face(const Box& box, double scale) {
  EXPECT_NEAR(box.x + box.side / 2, 223 * scale, 8 * scale);
  EXPECT_NEAR(box.y + box.side / 2, 127 * scale, 8 * scale);
  EXPECT_NEAR(box.side, 88 * scale, 88 / 6.0 * scale);
}

TEST(FindFaces, FindsTheAstronaut) {
  std::string tried;
  const auto faces = media().find_faces(astronaut(), &tried);
  ASSERT_EQ(faces.size(), 1u);
  expect_face(faces[0], 1);
  EXPECT_EQ(tried, "at 1x (faces from 80 px)");
}

TEST(FindFaces, WhatOneLookAloneTakesForAFaceIsNone) {
  const Image larger = resized(astronaut(), 1.16);
  EXPECT_EQ(media().find_faces(larger, nullptr, {.refine = false}).size(), 2u);  // one is a badge, and larger
  const auto faces = media().find_faces(larger, nullptr);
  ASSERT_EQ(faces.size(), 1u);
  expect_face(faces[0], 1.16);
}

TEST(FindFaces, CloserLooksHalveWhatTheSizeOfTheFaceDoesToItsBox) {
  const auto spread = [](const FaceSearch& search) {
    std::vector<double> sides;  // of the face in the photo's own pixels: the same for every size, if the detector were exact
    for (const double factor : {1.0, 1.04, 1.08, 1.12, 1.16, 1.2}) {
      const auto faces = media().find_faces(resized(astronaut(), factor), nullptr, search);
      const auto astronauts = std::ranges::find_if(faces, [=](const Box& face) { return double(face.y) < 200 * factor; });
      if (astronauts == faces.end()) throw Error(ErrorKind::kInternal, concat("no face at ", factor));
      sides.push_back(double(astronauts->side) / factor);
    }
    const auto [least, most] = std::ranges::minmax(sides);
    return most - least;
  };
  const double one_look = spread({.looks = 1, .refine = false});
  EXPECT_GT(one_look, 88 / 12.0);  // half a step of the pyramid at least, or this test shows nothing
  EXPECT_LT(spread({}), one_look / 2);
}

TEST(FindFaces, LooksForSmallFacesInAnEnlargedPicture) {
  std::string tried;
  auto faces = media().find_faces(shrunk(astronaut(), 2), &tried);
  ASSERT_EQ(faces.size(), 1u);
  expect_face(faces[0], 1.0 / 2);
  EXPECT_EQ(tried, "at 1x (faces from 80 px), 2x (from 40 px)");
  faces = media().find_faces(shrunk(astronaut(), 4), &tried);
  ASSERT_EQ(faces.size(), 1u);
  expect_face(faces[0], 1.0 / 4);
  EXPECT_EQ(tried, "at 1x (faces from 80 px), 2x (from 40 px), 4x (from 20 px)");
}

TEST(FindFaces, LooksAtALargePhotoMadeSmaller) {
  std::string tried;
  const auto faces = media().find_faces(enlarged(astronaut(), 5), &tried);
  ASSERT_EQ(faces.size(), 1u);
  expect_face(faces[0], 5);
  EXPECT_EQ(tried, "at 0.5x (faces from 160 px)");
}

TEST(FindFaces, LargestFirstThenTopThenLeft) {
  const Image photo = astronaut();
  Image head(200, 200);  // its face is at (100, 100)
  for (int y = 0; y < 200; ++y) std::copy_n(photo.pixel(123, 27 + y), 600, head.pixel(0, y));
  Image canvas(1000, 450);
  put(canvas, head, 500, 0);
  put(canvas, head, 780, 10);
  put(canvas, head, 600, 230);
  put(canvas, enlarged(head, 2), 0, 0);
  const auto faces = media().find_faces(canvas, nullptr);
  ASSERT_EQ(faces.size(), 4u);
  EXPECT_NEAR(faces[0].x + faces[0].side / 2, 200, 16);  // the enlarged one
  EXPECT_NEAR(faces[0].side, 176, 176 / 6.0);
  for (std::size_t i = 1; i < faces.size(); ++i) {
    const Box &a = faces[i - 1], &b = faces[i];
    EXPECT_LE(std::tuple(-a.side, a.y, a.x), std::tuple(-b.side, b.y, b.x));
  }
}

TEST(FindFaces, NothingInAPictureWithoutAFace) {
  Image ramp(300, 200);
  for (std::size_t i = 0; i < ramp.rgb.size(); ++i) ramp.rgb[i] = std::uint8_t(i / 3 % 300 * 255 / 299);
  std::string tried;
  EXPECT_TRUE(media().find_faces(ramp, &tried).empty());
  EXPECT_EQ(tried, "at 1x (faces from 80 px), 2x (from 40 px), 4x (from 20 px)");
}

TEST(FindFaces, TinyPicturesAreLookedAtToo) {
  for (const auto& [width, height] : {std::pair{1, 1}, {1, 50}, {7, 19}, {4000, 1}}) {
    EXPECT_TRUE(media().find_faces(Image(width, height), nullptr).empty()) << width << "x" << height;
  }
}

TEST(FindFaces, ThreadsFindTheSame) {
  const Image image = astronaut();
  const auto alone = media().find_faces(image, nullptr);
  std::vector<std::vector<Box>> found(4);
  std::vector<std::thread> threads;
  for (auto& f : found) threads.emplace_back([&] { f = media().find_faces(image, nullptr); });
  for (auto& t : threads) t.join();
  for (const auto& f : found) {
    ASSERT_EQ(f.size(), alone.size());
    EXPECT_EQ(f[0].x, alone[0].x);
    EXPECT_EQ(f[0].y, alone[0].y);
    EXPECT_EQ(f[0].side, alone[0].side);
  }
}

TEST(FindFaces, AnEmptyImageIsOurDefect) {
  try {
    media().find_faces(Image(), nullptr);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kInternal);
    EXPECT_STREQ(e.what(), "find_faces: 0x0 with 0 bytes");
  }
}

}  // namespace
}  // namespace emo
