#include "engine/backend/shared/tone.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <numbers>

#include "tests/close.h"
#include "tests/cpu/narrow_generator.h"
#include "tests/random_image.h"

namespace emo {
namespace {

constexpr int kSide = 16;
constexpr Box kBox{0, 0, 64};  // a cell is 2 x 2 pixels

using Rgb = std::array<float, 3>;

float luminance(const std::uint8_t* p) { return 0.299f * p[0] + 0.587f * p[1] + 0.114f * p[2]; }

/// A picture of patches of 4 x 4 pixels, made of random colours.
Image patches(const std::function<Rgb(const Rgb& random)>& colour) {
  const Image random = noise(16, 16);
  Image image(64, 64);
  for (int y = 0; y < 64; ++y) {
    for (int x = 0; x < 64; ++x) {
      const std::uint8_t* p = random.pixel(x / 4, y / 4);
      const Rgb rgb = colour({float(p[0]), float(p[1]), float(p[2])});
      for (int c = 0; c < 3; ++c) image.pixel(x, y)[c] = std::uint8_t(std::lround(rgb[c]));
    }
  }
  return image;
}
Rgb colourful(const Rgb& random) { return {250 - random[0] / 2, 240 - random[1] / 2, 230 - random[2] / 2}; }
/// Patches of random luminance, each in the colour that it has in a tone.
Image patches(Rgb (*tone)(float luminance)) {
  return patches([=](const Rgb& random) { return tone(random[1]); });
}
Rgb grey(float l) { return {l, l, l}; }
/// From dark brown to cream, more red than the luminance first.
Rgb sepia(float l) { return {30 + 0.85f * l, 18 + 0.8f * l, 8 + 0.7f * l}; }
Rgb bent(float l) { return {std::min(255.f, 1.35f * l), std::min(255.f, 1.2f * l), 0.94f * l}; }
Rgb blue(float l) { return {10 + 0.86f * l, 30 + 0.82f * l, 80 + 0.68f * l}; }

Image times(Image image, float factor) {
  for (auto& v : image.rgb) v = std::uint8_t(std::lround(float(v) * factor));
  return image;
}

/// The photo with the face under a box redrawn by a seeded network, which leaves little of it.
Image redrawn(const Image& photo, const Box& box = kBox, int passes = 1) {
  static const Model model(narrow());
  static const auto backend = model.open();
  const auto aus = random_values(17, 3, 0, 1);
  Image out = photo;
  RedrawJob job{.photo = photo, .box = box, .aus = aus, .passes = passes, .tone = tone_of(photo, box), .out = out};
  backend->redraw({&job, 1});
  EXPECT_NE(out.rgb, photo.rgb);
  return out;
}

TEST(Tone, OfAColourPhotoInOrdinaryLightIsPlain) { EXPECT_TRUE(tone_of(patches(colourful), kBox).plain()); }

TEST(Tone, OfWhatCannotBeCutOutIsPlain) {
  EXPECT_TRUE(tone_of({}, kBox).plain());
  const Image dark = times(patches(grey), 0.1f);
  EXPECT_FALSE(tone_of(dark, {1e30f, -1e30f, 1e20f}).plain());  // the edge, repeated
  EXPECT_TRUE(tone_of(dark, {std::nanf(""), 0, 10}).plain());
  EXPECT_TRUE(tone_of(dark, {0, 0, 10, INFINITY}).plain());
}

TEST(Tone, AGreyPhotoStaysGreyToTheLevel) {
  for (const float light : {1.f, 0.2f}) {
    for (const int passes : {1, 3}) {
      const Image out = redrawn(times(patches(grey), light), kBox, passes);
      for (int i = 0; i < 64 * 64; ++i) {
        const std::uint8_t* p = &out.rgb[std::size_t(3 * i)];
        ASSERT_TRUE(p[0] == p[1] && p[1] == p[2]) << i << ": " << int(p[0]) << ' ' << int(p[1]) << ' ' << int(p[2]);
      }
    }
  }
}

TEST(Tone, ATonedPhotoKeepsToItsTone) {
  for (const auto& tone : {sepia, blue}) {
    const Image photo = patches(tone);
    ASSERT_FALSE(tone_of(photo, kBox).curve.empty());
    const Image out = redrawn(photo);
    // Every colour of the photo by its luminance.
    std::vector<std::pair<float, Rgb>> colours;
    for (float l = 0; l < 256; l += 0.25f) {
      const Rgb rgb = tone(l);
      colours.emplace_back(0.299f * rgb[0] + 0.587f * rgb[1] + 0.114f * rgb[2], rgb);
    }
    for (int i = 0; i < 64 * 64; ++i) {
      const std::uint8_t* p = &out.rgb[std::size_t(3 * i)];
      const float l = luminance(p);
      if (l < colours.front().first || l > colours.back().first) continue;  // the photo does not say
      const auto near = std::ranges::lower_bound(colours, l, {}, &std::pair<float, Rgb>::first);
      for (int c = 0; c < 3; ++c) ASSERT_NEAR(p[c], near->second[c], 4) << i << ", channel " << c;
    }
  }
}

TEST(Tone, ABentToneIsFollowed) {
  const Tone tone = tone_of(patches(bent), kBox);
  ASSERT_FALSE(tone.curve.empty());
  const GeneratorConfig config = narrow();
  const Shape shape{1, 3, 1, 1};
  const auto in_model = [](const Rgb& v) { return std::vector{v[0] / 127.5f - 1, v[1] / 127.5f - 1, v[2] / 127.5f - 1}; };
  const auto luminance_of = [](const Rgb& v) { return 0.299f * v[0] + 0.587f * v[1] + 0.114f * v[2]; };
  for (const float before : {60.f, 130.f}) {
    for (float after = 40; after <= 200; after += 10) {  // beyond, blue alone still rises
      const auto face = in_model(bent(before));
      auto colour = in_model(grey(luminance_of(bent(after))));
      tone.from_network(config, {face.data(), shape}, {colour.data(), shape});
      const Rgb want = bent(after);
      // Where red ends at 255 its slope of 1.11 does: the means of 16 levels pass by at 1.11 * 16 / 4 at most.
      for (std::size_t c = 0; c < 3; ++c) EXPECT_NEAR((colour[c] + 1) * 127.5f, want[c], 4.5) << before << ' ' << after;
    }
  }
}

TEST(Tone, ColourNoiseOfJpegKeepsAToneAndLipsDoNot) {
  Image noisy = patches(sepia), lips = patches(sepia);
  const Image random = noise(8, 8);
  for (int y = 0; y < 64; ++y) {
    for (int x = 0; x < 64; ++x) {  // of blocks of 8 pixels, up to 3 levels to either side
      const int off = random.pixel(x / 8, y / 8)[0] % 7 - 3;
      noisy.pixel(x, y)[0] = std::uint8_t(std::clamp(noisy.pixel(x, y)[0] + off, 0, 255));
      noisy.pixel(x, y)[2] = std::uint8_t(std::clamp(noisy.pixel(x, y)[2] - off, 0, 255));
    }
  }
  EXPECT_FALSE(tone_of(noisy, kBox).curve.empty());
  for (int y = 36; y < 44; ++y) {  // a fortieth of the crop
    for (int x = 28; x < 36; ++x) lips.pixel(x, y)[0] = 200, lips.pixel(x, y)[1] = 80, lips.pixel(x, y)[2] = 80;
  }
  EXPECT_TRUE(tone_of(lips, kBox).curve.empty());
}

TEST(Tone, ADarkPhotoIsDrawnAsTheBrightOneAndPutBackInItsOwnLight) {
  const Image dark = times(patches(colourful), 0.2f);
  const float gain = tone_of(dark, kBox).gain;
  EXPECT_GT(gain, 4);
  const Image bright = redrawn(times(dark, gain)), out = redrawn(dark);
  // In the dark photo's levels: rounded when it was brightened here and when it was put back, 0.5 each, in the bright one
  // twice 0.5 / gain, and what the network makes of the first, which is no more than that.
  for (std::size_t i = 0; i < out.rgb.size(); ++i) ASSERT_NEAR(out.rgb[i], float(bright.rgb[i]) / gain, 1.25) << i;
}

TEST(Tone, TheGainComesGraduallyAndHasAnEnd) {
  const auto gain = [](float level) { return tone_of(patches([=](const Rgb&) { return grey(level); }), kBox).gain; };
  EXPECT_EQ(gain(250), 1);
  EXPECT_EQ(gain(90), 1);
  EXPECT_NEAR(gain(75), 1 + 0.5 * (178 / 75. - 1), 1e-5);
  EXPECT_NEAR(gain(40), 178 / 40., 1e-5);
  EXPECT_EQ(gain(2), 16);
  EXPECT_EQ(gain(0), 16);
}

TEST(Tone, WhatTheNetworkSeesOfAFaceAndLeavesAloneComesBackAsItWas) {
  for (const ChannelOrder order : {ChannelOrder::kRgb, ChannelOrder::kBgr}) {
    GeneratorConfig config = narrow();
    config.channel_order = order;
    const Shape shape{1, 3, kSide, kSide};
    const auto face = random_values(shape.count(), 1, -1, -0.6f);  // up to 51 of 255
    Tone tone{.gain = 5};
    auto seen = face;
    tone.to_network(config, {seen.data(), shape});
    for (std::size_t i = 0; i < face.size(); ++i) ASSERT_NEAR(seen[i] + 1, 5 * (face[i] + 1), 1e-6);
    tone.from_network(config, {face.data(), shape}, {seen.data(), shape});
    expect_close(seen, face, 1e-6);

    tone.curve = {{0, {0, 0, 0}}, {100, {120, 95, 75}}};  // the luminance alone is shown, in grey
    seen = face;
    tone.to_network(config, {seen.data(), shape});
    const std::size_t plane = shape.plane(), red = order == ChannelOrder::kBgr ? 2 : 0;
    for (std::size_t i = 0; i < plane; ++i) {
      const float l = 0.299f * face[red * plane + i] + 0.587f * face[plane + i] + 0.114f * face[(2 - red) * plane + i];
      for (std::size_t c = 0; c < 3; ++c) ASSERT_NEAR(seen[c * plane + i] + 1, 5 * (l + 1), 1e-5);
    }
    tone.from_network(config, {face.data(), shape}, {seen.data(), shape});
    expect_close(seen, face, 1e-5);
  }
}

TEST(Tone, IsThatOfThePixelsUnderATurnedBox) {
  Image photo = patches(colourful);
  const Image sepias = patches(sepia);
  // A square on its corner, sepia, in colours.
  const Box box{22, 22, 20, std::numbers::pi_v<float> / 4};
  for (int y = 0; y < 64; ++y) {
    for (int x = 0; x < 64; ++x) {
      if (std::abs(x - 31.5) + std::abs(y - 31.5) < 15.5) std::copy_n(sepias.pixel(x, y), 3, photo.pixel(x, y));
    }
  }
  EXPECT_FALSE(tone_of(photo, box).curve.empty());
  EXPECT_TRUE(tone_of(photo, {22, 22, 20}).curve.empty());
}

}  // namespace
}  // namespace emo
