#include "engine/backend/cpu/image_ops.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/close.h"
#include "tests/random_generator.h"
#include "tests/random_image.h"
#include "tests/throws.h"

namespace emo {
namespace {

GeneratorConfig with_filter(ResizeFilter filter) {
  GeneratorConfig config;
  config.resize_filter = filter;
  config.pixel_min = 0, config.pixel_max = 255;
  return config;
}

std::vector<float> crop(const Image& photo, const Box& box, const GeneratorConfig& config, int S, int threads = 2) {
  ThreadPool pool(threads);
  std::vector<float> face(std::size_t(3) * S * S);
  crop_face(photo, box, config, {face.data(), {1, 3, S, S}}, pool);
  return face;
}

float at(const Image& photo, int x, int y, int c) {
  return photo.pixel(std::clamp(x, 0, photo.width - 1), std::clamp(y, 0, photo.height - 1))[c];
}

/// One sample by the filter's definition, a double loop over every pixel that could count.
double sample(const Image& photo, const Box& box, ResizeFilter filter, int S, int ox, int oy, int c) {
  const double step = double(box.side) / S, unit = std::max(1., step);
  const auto weight = [&](double d, double from, double to, int p) {
    if (filter == ResizeFilter::kArea && step > 1) return std::max(0., std::min(p + 1., to) - std::max(double(p), from));
    d = std::abs(d) / unit;
    if (filter != ResizeFilter::kBicubic) return std::max(0., 1 - d);
    if (d < 1) return 1.5 * d * d * d - 2.5 * d * d + 1;
    return d < 2 ? -0.5 * d * d * d + 2.5 * d * d - 4 * d + 2 : 0.;
  };
  const double cx = box.x + (ox + 0.5) * step, cy = box.y + (oy + 0.5) * step;
  const int reach = int(std::ceil(2 * unit)) + 2;
  double sum = 0, total = 0;
  for (int y = int(std::floor(cy)) - reach; y <= int(std::floor(cy)) + reach; ++y) {
    for (int x = int(std::floor(cx)) - reach; x <= int(std::floor(cx)) + reach; ++x) {
      const double w =
          weight(x + 0.5 - cx, cx - step / 2, cx + step / 2, x) * weight(y + 0.5 - cy, cy - step / 2, cy + step / 2, y);
      sum += w * at(photo, x, y, c), total += w;
    }
  }
  return std::clamp(sum / total, 0., 255.);
}

TEST(Crop, EveryFilterEqualsItsDefinition) {
  const Image photo = noise(61, 47);
  const int S = 12;
  for (const ResizeFilter filter : {ResizeFilter::kArea, ResizeFilter::kBilinear, ResizeFilter::kBicubic}) {
    for (const Box& box :
         {Box{3, 5, 36}, {10.25f, 7.5f, 29.3f}, {20, 20, 7.7f}, {-9.5f, -4, 31}, {40, 30, 60}, {100, 100, 10}}) {
      std::vector<float> want;
      for (int c = 0; c < 3; ++c) {
        for (int i = 0; i < S * S; ++i) want.push_back(float(sample(photo, box, filter, S, i % S, i / S, c)));
      }
      expect_close(crop(photo, box, with_filter(filter), S), want, 1e-3);  // 255 at fp32 over some hundred terms
    }
  }
}

TEST(Crop, AreaIsTheMeanOfWholeBlocks) {
  const Image photo = noise(50, 50);
  const auto face = crop(photo, {5, 8, 32}, with_filter(ResizeFilter::kArea), 8);
  for (int y = 0; y < 8; ++y) {
    for (int x = 0; x < 8; ++x) {
      double sum = 0;
      for (int i = 0; i < 16; ++i) sum += photo.pixel(5 + 4 * x + i % 4, 8 + 4 * y + i / 4)[1];
      EXPECT_NEAR(face[64 + y * 8 + x], sum / 16, 1e-4);
    }
  }
}

TEST(Crop, OwnSizeKeepsThePixels) {
  const Image photo = noise(40, 30);
  for (const ResizeFilter filter : {ResizeFilter::kArea, ResizeFilter::kBilinear, ResizeFilter::kBicubic}) {
    const auto face = crop(photo, {7, 4, 20}, with_filter(filter), 20);
    for (int i = 0; i < 400; ++i) EXPECT_NEAR(face[i], photo.pixel(7 + i % 20, 4 + i / 20)[0], 1e-4) << name_of(filter);
  }
}

TEST(Crop, RangeAndChannelOrder) {
  Image photo(16, 16);
  for (int i = 0; i < 256; ++i) photo.rgb[3 * i] = 255, photo.rgb[3 * i + 2] = 51;
  GeneratorConfig config;
  for (const bool bgr : {false, true}) {
    config.channel_order = bgr ? ChannelOrder::kBgr : ChannelOrder::kRgb;
    const auto face = crop(photo, {-3, 2, 11.7f}, config, 8);
    for (int i = 0; i < 64; ++i) {
      EXPECT_NEAR(face[(bgr ? 2 : 0) * 64 + i], 1, 1e-5);
      EXPECT_NEAR(face[64 + i], -1, 1e-5);
      EXPECT_NEAR(face[(bgr ? 0 : 2) * 64 + i], -0.6, 1e-5);
    }
  }
}

TEST(Crop, SameBytesAtAnyThreadCount) {
  const Image photo = noise(200, 150);
  const auto one = crop(photo, {-20, 13.3f, 171}, GeneratorConfig(), 64, 1);
  for (const int threads : {2, 3, 8}) EXPECT_EQ(crop(photo, {-20, 13.3f, 171}, GeneratorConfig(), 64, threads), one);
}

TEST(Crop, RefusesABoxWithoutSide) {
  EXPECT_EQ(text_of(ErrorKind::kInternal,
                    [] {
                      crop(noise(9, 9), {1, 2, 0}, GeneratorConfig(), 8);
                    }),
            "crop: the box has its corner at 1,2 and a side of 0 px; a positive side is needed");
  EXPECT_EQ(text_of(ErrorKind::kInternal,
                    [] {
                      crop(Image(), {1, 2, 3}, GeneratorConfig(), 8);
                    }),
            "crop: the photo is empty");
}

Image paste(Image photo, const Box& box, const GeneratorConfig& config, const std::vector<float>& before,
            const std::vector<float>& after, int threads = 2, float mask_value = 1) {
  ThreadPool pool(threads);
  const int S = int(std::lround(std::sqrt(double(before.size()) / 3)));
  const std::vector<float> mask(before.size() / 3, mask_value);
  const Shape shape{1, 3, S, S};
  paste_face(photo, box, config, {{before.data(), shape}, {after.data(), shape}, {mask.data(), {1, 1, S, S}}}, pool);
  return photo;
}

TEST(Paste, NothingChangedChangesNothing) {
  const Image photo = noise(90, 70);
  const auto face = random_values(3 * 16 * 16, 3);
  for (const Box& box : {Box{10, 10, 40}, {-20, 30, 77.5f}, {85, 65, 8}, {500, 500, 20}, {4, 4, 3}, {20.6f, 9.1f, 0.2f}}) {
    EXPECT_EQ(paste(photo, box, GeneratorConfig(), face, face).rgb, photo.rgb);
  }
}

TEST(Paste, AConstantChangeIsWholeInsideAndNoneOutside) {
  Image photo(100, 80);
  std::fill(photo.rgb.begin(), photo.rgb.end(), std::uint8_t(100));
  for (const bool bgr : {false, true}) {
    GeneratorConfig config;
    config.channel_order = bgr ? ChannelOrder::kBgr : ChannelOrder::kRgb;
    std::vector<float> before(3 * 256, 0.f), after(3 * 256, 0.f);
    std::fill_n(after.begin() + (bgr ? 2 : 0) * 256, 256, 40 / 127.5f);  // red, 40 steps
    const Box box{20, -10, 60};
    const Image pasted = paste(photo, box, config, before, after);
    for (int y = 0; y < 80; ++y) {
      for (int x = 0; x < 100; ++x) {
        const double border = std::min({x + 0.5 - 20, 80 - x - 0.5, y + 0.5 + 10, 50 - y - 0.5});
        const int red = pasted.pixel(x, y)[0];
        EXPECT_GE(red, border >= 6 ? 140 : 100);
        EXPECT_LE(red, border < 0 ? 100 : 140);
        EXPECT_EQ(pasted.pixel(x, y)[1], 100);
        EXPECT_EQ(pasted.pixel(x, y)[2], 100);
      }
    }
  }
}

TEST(Paste, TheFeatherFallsSteadilyToNothing) {
  Image photo(200, 200);
  const std::vector<float> before(3 * 1024, -1.f), after(3 * 1024, 1.f);
  const Image pasted = paste(photo, {0, 0, 200}, GeneratorConfig(), before, after);
  EXPECT_EQ(pasted.pixel(0, 100)[0], 0);
  EXPECT_EQ(pasted.pixel(20, 100)[0], 255);
  for (int x = 1; x < 100; ++x) EXPECT_GE(pasted.pixel(x, 100)[0], pasted.pixel(x - 1, 100)[0]);
  EXPECT_EQ(pasted.pixel(10, 100)[0], pasted.pixel(189, 100)[0]);
  EXPECT_EQ(pasted.pixel(10, 100)[0], pasted.pixel(100, 10)[0]);
}

TEST(Paste, ACropPastedBackIsTheNewFace) {
  // At the face's own size and position what comes back is what went in, inside the feather.
  const Image photo = noise(60, 60);
  GeneratorConfig config;
  const auto before = crop(photo, {8, 8, 40}, config, 40), after = random_values(3 * 1600, 5);
  const Image pasted = paste(photo, {8, 8, 40}, config, before, after);
  for (int y = 4; y < 36; ++y) {
    for (int x = 4; x < 36; ++x) {
      for (int c = 0; c < 3; ++c) {
        EXPECT_NEAR(pasted.pixel(8 + x, 8 + y)[c], (after[(c * 40 + y) * 40 + x] + 1) * 127.5, 0.51);
      }
    }
  }
}

// A photo with more detail than the network sees: black and white columns under a grey face.
TEST(Paste, WhereTheNetworkDrewThePhotosDetailGoes) {
  Image photo(64, 64);
  for (std::size_t i = 0; i < photo.rgb.size(); ++i) photo.rgb[i] = i / 3 % 2 ? 200 : 100;
  for (const bool keeps : {true, false}) {
    GeneratorConfig config;
    config.mask_keeps_image = keeps;
    const auto before = crop(photo, {0, 0, 64}, config, 16);
    const std::vector<float> after(before.size(), 0.2f);
    const Image drawn = paste(photo, {0, 0, 64}, config, before, after, 2, keeps ? 0.f : 1.f);
    const Image kept = paste(photo, {0, 0, 64}, config, before, before, 2, keeps ? 1.f : 0.f);
    for (int x = 16; x < 48; ++x) EXPECT_NEAR(drawn.pixel(x, 32)[0], 1.2 * 127.5, 1) << x;
    EXPECT_EQ(kept.rgb, photo.rgb);
  }
}

TEST(Paste, IsCutToTheRangeAndKeepsAlpha) {
  Image photo = noise(30, 30);
  photo.alpha = std::vector<std::uint8_t>(900, 77);
  const std::vector<float> dark(3 * 64, -1.f), light(3 * 64, 1.f);
  EXPECT_EQ(paste(photo, {5, 5, 20}, GeneratorConfig(), dark, light).pixel(15, 15)[1], 255);
  EXPECT_EQ(paste(photo, {5, 5, 20}, GeneratorConfig(), light, dark).pixel(15, 15)[1], 0);
  EXPECT_EQ(paste(photo, {5, 5, 20}, GeneratorConfig(), light, dark).alpha, photo.alpha);
}

TEST(Paste, SameBytesAtAnyThreadCount) {
  const Image photo = noise(150, 150);
  const auto before = random_values(3 * 1024, 5), after = random_values(3 * 1024, 6);
  const auto one = paste(photo, {-11, 30.5f, 133}, GeneratorConfig(), before, after, 1).rgb;
  for (const int threads : {2, 3, 8}) {
    EXPECT_EQ(paste(photo, {-11, 30.5f, 133}, GeneratorConfig(), before, after, threads).rgb, one);
  }
}

TEST(Paste, RefusesFacesOfTwoSizes) {
  Image photo = noise(20, 20);
  const std::vector<float> face(3 * 64);
  ThreadPool pool(1);
  EXPECT_EQ(text_of(ErrorKind::kInternal,
                    [&] {
                      paste_face(photo, {1, 1, 9}, GeneratorConfig(),
                                 {{face.data(), {1, 3, 8, 8}}, {face.data(), {1, 3, 4, 4}}, {}}, pool);
                    }),
            "paste: the face was (1,3,8,8) before and (1,3,4,4) after");
}

}  // namespace
}  // namespace emo
