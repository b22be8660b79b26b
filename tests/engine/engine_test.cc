#include "engine/engine.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "tests/random_generator.h"
#include "tests/random_image.h"
#include "tests/random_speech.h"
#include "tests/temp_dir.h"
#include "tests/throws.h"

namespace emo {
namespace {

SpeechConfig config_with(double sharpness) {
  SpeechConfig config;
  config.feature_mean.assign(39, 0);
  config.feature_std.assign(39, 1);
  config.lstm_hidden = 6;
  config.lstm_layers = 1;
  config.emotion_sharpness = sharpness;
  return config;
}

/// Two seconds whose loudness swells, so that frames differ.
std::vector<float> swelling_noise() {
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0, 0.02f);
  std::vector<float> pcm(32'000);
  for (std::size_t i = 0; i < pcm.size(); ++i) pcm[i] = normal(random) * float(1 + i / 4'000);
  return pcm;
}

TEST(Engine, DrawsTheVoicesAnswersToEmotionsAsTheModelSays) {
  const SpeechConfig as_they_are = config_with(0), drawn = config_with(16);
  const auto weights = random_weights(as_they_are, 1);
  const TemporaryModel plain(as_they_are, weights), sharp(drawn, weights);
  const Engine before({.speech = plain.path()}), after({.speech = sharp.path()});
  const auto pcm = swelling_noise();

  const ActionUnits whole = before.aus(pcm);
  EXPECT_GT(whole.norm(), 0.1);
  EXPECT_NE(after.aus(pcm).values(), whole.values());
  EXPECT_EQ(after.aus(pcm).values(), sharpened(whole, 16).values());

  const AuCurve frames = before.aus_per_frame(pcm, 10), drawn_frames = after.aus_per_frame(pcm, 10);
  ASSERT_EQ(frames.rows.size(), 20u);
  ASSERT_EQ(drawn_frames.rows.size(), 20u);
  EXPECT_NE(frames.rows[3].values(), frames.rows[15].values());
  for (std::size_t i = 0; i < 20; ++i) EXPECT_EQ(drawn_frames.rows[i].values(), sharpened(frames.rows[i], 16).values());
}

TEST(Engine, ASilentClipIsNeutralHoweverSharp) {
  const SpeechConfig config = config_with(16);
  const TemporaryModel model(config);
  EXPECT_EQ(Engine({.speech = model.path()}).aus(std::vector<float>(16'000)).norm(), 0);
}

/// Opens a small generator with other passes than 1.
class Passes : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    config_.conv_dim = 8, config_.res_blocks = 1, config_.image_size = 32;
    config_.mask_keeps_image = GetParam();
    write_random_generator(dir_ / "model", config_);
  }
  Engine engine(int passes) const { return Engine({.generator = dir_ / "model", .passes = passes}); }

  const TempDir dir_;
  GeneratorConfig config_;
  const Image photo_ = noise(90, 80);
  const Box box_{12, 9, 48};
  const ActionUnits au_ = parse_action_units("12=0.75,4=0.25", default_au_names());
};

TEST_P(Passes, EachDrawsThePictureOfTheOneBefore) {
  const Face once = engine(1).generate(photo_, box_, au_);
  Face second{once.side, HostBuffer<float>(once.after.size()), {}, {}, {}};
  std::ranges::copy(once.after.span(), second.before.data());
  const Face twice = engine(2).generate(photo_, box_, au_), by_hand = engine(1).redraw(second, au_);
  EXPECT_TRUE(std::ranges::equal(twice.before.span(), once.before.span()));
  EXPECT_TRUE(std::ranges::equal(twice.after.span(), by_hand.after.span()));
  EXPECT_FALSE(std::ranges::equal(twice.after.span(), once.after.span()));
}

TEST_P(Passes, MaskAndColourAreOfAllTogether) {
  const Face face = engine(3).generate(photo_, box_, au_);
  const std::size_t plane = face.mask.size();
  double worst = 0;
  for (std::size_t i = 0; i < face.after.size(); ++i) {
    const double m = face.mask[i % plane], kept = GetParam() ? m : 1 - m;
    worst = std::max(worst, std::abs(kept * face.before[i] + (1 - kept) * face.colour[i] - face.after[i]));
  }
  EXPECT_LT(worst, 2e-6);  // values up to 1, a dozen roundings of 6e-8
}

TEST_P(Passes, APhotoGetsTheSameFaceWhicheverWay) {
  const Engine twice = engine(2);
  Image whole = photo_, by_steps = photo_;
  twice.redraw(whole, {&box_, 1}, au_);
  twice.paste(by_steps, box_, twice.generate(photo_, box_, au_));
  EXPECT_EQ(whole.rgb, by_steps.rgb);
}

TEST_P(Passes, OutOfRangeIsRefused) {
  EXPECT_EQ(text_of(ErrorKind::kUsage, [&] { engine(0); }), "--passes: 0 came; 1 to 8 are possible");
}

INSTANTIATE_TEST_SUITE_P(OfMasksThatKeepTheFaceOrTheColour, Passes, testing::Bool());

}  // namespace
}  // namespace emo
