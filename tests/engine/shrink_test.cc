#include "engine/pipeline/shrink.h"

#include <gtest/gtest.h>

#include <cmath>

namespace emo {
namespace {

Image striped(int width, int height) {
  Image image(width, height);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < 3; ++c) image.pixel(x, y)[c] = std::uint8_t((x * 37 + y * 91 + c * 50) % 256);
    }
  }
  return image;
}

TEST(Shrunk, APixelIsTheMeanOfWhatItCovers) {
  const Image photo = striped(12, 8), small = shrunk(photo, 4);
  ASSERT_EQ(small.width, 4);
  ASSERT_EQ(small.height, 3);
  for (int y = 0; y < 3; ++y) {
    for (int x = 0; x < 4; ++x) {
      double sum = 0;  // rows by the area that they share: 8/3 a pixel
      for (int r = 0; r < 8; ++r) {
        const double share = std::max(0., std::min(r + 1., (y + 1) * 8 / 3.) - std::max(double(r), y * 8 / 3.));
        for (int i = 0; i < 3; ++i) sum += share * photo.pixel(3 * x + i, r)[1];
      }
      EXPECT_NEAR(small.pixel(x, y)[1], sum / 8, 0.501) << x << ' ' << y;  // rounded to whole levels
    }
  }
}

TEST(Shrunk, ASmallPictureStaysAsItIs) {
  const Image photo = striped(12, 8);
  EXPECT_EQ(shrunk(photo, 12).rgb, photo.rgb);
  EXPECT_EQ(shrunk(photo, 500).rgb, photo.rgb);
}

TEST(Shrunk, ALineKeepsAPixel) {
  const Image small = shrunk(striped(300, 2), 10);
  EXPECT_EQ(small.width, 10);
  EXPECT_EQ(small.height, 1);
}

}  // namespace
}  // namespace emo
