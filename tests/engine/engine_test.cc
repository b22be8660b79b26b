#include "engine/engine.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/random_speech.h"

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

}  // namespace
}  // namespace emo
