#include "engine/backend/shared/turned_face.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "engine/backend/cpu/image_ops.h"
#include "tests/close.h"
#include "tests/random_generator.h"
#include "tests/random_image.h"

namespace emo {
namespace {

constexpr float kQuarter = std::numbers::pi_v<float> / 2;

/// A quarter turn, clockwise as seen: what ran to the right runs down.
Image turned(const Image& image) {
  Image out(image.height, image.width);
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) std::copy_n(image.pixel(x, y), 3, out.pixel(image.height - 1 - y, x));
  }
  return out;
}
/// The box round the same part of the turned picture.
Box turned(const Box& box, const Image& image) {
  return {float(image.height) - box.y - box.side, box.x, box.side, kQuarter};
}

std::vector<float> cut(const Image& photo, const Box& box, int side) {
  std::vector<float> face(std::size_t(3) * side * side);
  crop_turned(photo, box, {}, {face.data(), {1, 3, side, side}}, row_by_row);
  return face;
}

TEST(TurnedFace, AQuarterTurnedPhotoGivesTheSameFace) {
  const Image photo = noise(61, 47);
  const Image quarter = turned(photo);
  for (const Box& box : {Box{5, 7, 32}, {-3.6f, 2.3f, 41}, {10, 3, 19.7f}, {20.3f, 20.1f, 99}}) {
    // Places are computed in fp64 from a roll in fp32: off by 1e-7 of 100 px, in steps of up to 2 between pixels. No sample
    // falls on the border of two pixels, where the nearest would be either.
    expect_close(cut(quarter, turned(box, photo), 16), cut(photo, box, 16), 1e-4);
  }
}

TEST(TurnedFace, UprightItIsTheUsualCropWhereThatMeansWholePixels) {
  const Image photo = noise(64, 64);
  const Box box{8, 4, 48};
  std::vector<float> want(3 * 16 * 16);
  ThreadPool pool(1);
  crop_face(photo, box, {}, {want.data(), {1, 3, 16, 16}}, pool);
  expect_close(cut(photo, box, 16), want, 1e-6);  // the mean of 3x3 pixels
}

TEST(TurnedFace, PutBackItIsTheUsualPasteTurned) {
  const Image photo = noise(61, 47);
  constexpr int kSide = 24;
  const Shape shape{1, 3, kSide, kSide};
  const auto before = random_values(shape.count(), 1), after = random_values(shape.count(), 2),
             mask = random_values(shape.plane(), 3, 0, 1);
  const FaceChange change{{before.data(), shape}, {after.data(), shape}, {mask.data(), {1, 1, kSide, kSide}}};
  ThreadPool pool(1);
  for (const Box& box : {Box{5, 7, 32}, {-3.5f, 2.25f, 40}, {10, 3, 15.5f}}) {
    Image upright = photo, quarter = turned(photo);
    paste_face(upright, box, {}, change, pool);
    paste_turned(quarter, turned(box, photo), {}, change, row_by_row);
    const Image want = turned(upright);
    int worst = 0;
    for (std::size_t i = 0; i < want.rgb.size(); ++i) worst = std::max(worst, std::abs(want.rgb[i] - quarter.rgb[i]));
    EXPECT_LE(worst, 1);  // a value on the half may round to either side
    EXPECT_NE(want.rgb, turned(photo).rgb);
  }
}

TEST(TurnedFace, WhatTheMaskKeepsKeepsItsBytes) {
  Image photo = noise(40, 40);
  const Image original = photo;
  const Shape shape{1, 3, 8, 8};
  const auto face = random_values(shape.count(), 1);
  const std::vector<float> mask(64, 1);
  paste_turned(photo, {8, 8, 20, 0.6f}, {}, {{face.data(), shape}, {face.data(), shape}, {mask.data(), {1, 1, 8, 8}}},
               row_by_row);
  EXPECT_EQ(photo.rgb, original.rgb);
}

TEST(TurnedFace, ABoxOutsideThePhotoChangesNothing) {
  Image photo = noise(20, 20);
  const Image original = photo;
  const Shape shape{1, 3, 8, 8};
  const auto before = random_values(shape.count(), 1), after = random_values(shape.count(), 2);
  const std::vector<float> mask(64, 0);
  paste_turned(photo, {100, 100, 20, 0.6f}, {}, {{before.data(), shape}, {after.data(), shape}, {mask.data(), {1, 1, 8, 8}}},
               row_by_row);
  EXPECT_EQ(photo.rgb, original.rgb);
}

}  // namespace
}  // namespace emo
