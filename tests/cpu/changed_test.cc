#include "engine/backend/shared/changed.h"

#include <gtest/gtest.h>

#include "tests/cpu/narrow_generator.h"
#include "tests/random_image.h"

namespace emo {
namespace {

TEST(ChangedPart, IsWherePicturesDifferByMoreThanTheyMayByChance) {
  const GeneratorConfig config = narrow(8, 2, 64);
  const Shape shape{1, 3, 64, 64};
  const auto a = random_values(shape.count(), 1);
  auto b = a;
  for (float& v : b) v += 3 / 127.5f;  // 5 levels over the three colours
  for (int c = 0; c < 3; ++c) {
    for (int y = 8; y < 24; ++y) {
      for (int x = 40; x < 56; ++x) b[std::size_t((c * 64 + y) * 64 + x)] += 20 / 127.5f;
    }
  }
  const auto part = changed_part(config, {a.data(), shape}, {b.data(), shape});
  for (int y = 0; y < 64; ++y) {
    for (int x = 0; x < 64; ++x) {
      const float p = part[std::size_t(y * 64 + x)];
      if (y >= 12 && y < 20 && x >= 44 && x < 52) {
        EXPECT_NEAR(p, 1, 1e-2) << x << ',' << y;  // Gaussians of 0.75 and 1 px
      } else if (y < 2 || y >= 30 || x < 34 || x >= 62) {
        EXPECT_EQ(p, 0) << x << ',' << y;
      }
    }
  }
}

/// A photo whose face is redrawn with these AUs, on top of what it is said to show.
Image redrawn(const Image& photo, std::span<const float> aus, std::span<const float> shown, bool keeps, int passes = 1) {
  GeneratorConfig config = narrow();
  config.mask_keeps_image = keeps;
  const Model model(config);
  Image out = photo;
  RedrawJob job{.photo = photo, .box = {5, 5, 40}, .aus = aus, .shown = shown, .passes = passes, .out = out};
  model.open()->redraw({&job, 1});
  return out;
}

TEST(Shown, APhotoThatShowsAlreadyWhatIsAskedKeepsItsBytes) {
  const Image photo = noise(60, 50);
  const auto aus = random_values(17, 3, 0, 1);
  std::vector<float> others = aus;
  for (float& v : others) v = 1 - v;
  for (const bool keeps : {true, false}) {
    for (const int passes : {1, 2}) {
      EXPECT_EQ(redrawn(photo, aus, aus, keeps, passes).rgb, photo.rgb);
      EXPECT_NE(redrawn(photo, aus, {}, keeps, passes).rgb, photo.rgb);
    }
    EXPECT_NE(redrawn(photo, aus, others, keeps).rgb, photo.rgb);
  }
}

TEST(Shown, FacesBesideAreDrawnAsAlone) {
  const Model model(narrow());
  const auto backend = model.open();
  const auto aus = random_values(17, 3, 0, 1), shown = random_values(17, 4, 0, 1);
  const Image before[] = {noise(60, 50, 1), noise(60, 50, 2), noise(60, 50, 3)};
  Image together[] = {before[0], before[1], before[2]}, alone[] = {before[0], before[1], before[2]};
  const auto job = [&](Image& photo, bool relative) {
    return RedrawJob{.photo = photo,
                     .box = {5, 5, 40},
                     .aus = aus,
                     .shown = relative ? std::span<const float>(shown) : std::span<const float>(),
                     .out = photo};
  };
  RedrawJob all[] = {job(together[0], false), job(together[1], true), job(together[2], false)};
  backend->redraw(all);
  for (int i = 0; i < 3; ++i) {
    RedrawJob one = job(alone[i], i == 1);
    backend->redraw({&one, 1});
    EXPECT_EQ(together[i].rgb, alone[i].rgb) << i;
    EXPECT_NE(alone[i].rgb, before[i].rgb) << i;
  }
}

TEST(Shown, MaskAndColourGiveTheFace) {
  const Model model(narrow());
  const auto backend = model.open();
  const auto aus = random_values(17, 3, 0, 1), shown = random_values(17, 4, 0, 1);
  const Image photo = noise(60, 50);
  const Shape shape{1, 3, 16, 16};
  const std::size_t plane = shape.plane();
  std::vector<float> cut(3 * plane), after(3 * plane), mask(plane), colour(3 * plane);
  backend->crop(photo, {5, 5, 40}, {cut.data(), shape});
  RedrawJob job{.photo = photo,
                .box = {5, 5, 40},
                .aus = aus,
                .shown = shown,
                .after = after.data(),
                .mask = mask.data(),
                .colour = colour.data()};
  backend->redraw({&job, 1});
  for (std::size_t i = 0; i < after.size(); ++i) {
    const float m = mask[i % plane];
    ASSERT_NEAR(m * cut[i] + (1 - m) * colour[i], after[i], 1e-6);
  }
}

}  // namespace
}  // namespace emo
