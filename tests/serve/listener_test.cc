#include "tools/emoengine/serve/listener.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace emo::serve {
namespace {

constexpr int kRateHz = 16'000;  // the models' own, so nothing is resampled
constexpr double kFps = 25;
const char* const kNotForStreams = EMO_SOURCE_DIR "/tests/golden/speech_mean.safetensors";

Clip happy() { return media().load_audio(EMO_SOURCE_DIR "/samples/happy.flac", kRateHz, AudioLimits{}); }

TEST(Listener, ModelThatCannotRunOnAStreamHearsTheLastSecondsAgain) {
  const Engine engine({.speech = kNotForStreams});
  const Clip clip = happy();
  Listener listener(engine, kRateHz, kFps);
  constexpr std::size_t kBlock = 640;  // a row's time
  std::size_t rows = 0;
  for (std::size_t end = kBlock; end <= clip.pcm.size(); end += kBlock) {
    const AuCurve heard = listener.push(std::span(clip.pcm).subspan(end - kBlock, kBlock));
    if (end < kRateHz / 4) {
      EXPECT_EQ(heard.rows(), 0u) << "too little to hear a level in";
      continue;
    }
    ASSERT_EQ(heard.rows(), 1u) << end;
    ++rows;
    EXPECT_DOUBLE_EQ(heard.times_s[0], double(end) / kRateHz);
    if (end != 50 * kBlock) continue;
    const AuCurve whole = engine.hear(std::span(clip.pcm).first(end)).per_frame(kFps);  // under 4 s, so all of it
    EXPECT_EQ(heard.row(0).values(), whole.row(whole.rows() - 1).values());
  }
  EXPECT_GT(rows, 80u);
}

TEST(Listener, BlocksLargerThanARowGiveTheNewestAlone) {
  const Engine engine({.speech = kNotForStreams});
  Listener listener(engine, kRateHz, kFps);
  const Clip clip = happy();
  const AuCurve heard = listener.push(std::span(clip.pcm).first(kRateHz));
  ASSERT_EQ(heard.rows(), 1u);
  EXPECT_DOUBLE_EQ(heard.times_s[0], 1);
}

TEST(Listener, ModelMadeForStreamsIsLeftToItself) {
  const Engine engine({.speech = EMO_SOURCE_DIR "/tests/golden/speech_voice.safetensors"});
  const Clip clip = happy();
  Listener listener(engine, kRateHz, kFps);
  LiveVoice stream = engine.hear_live(kFps);
  const AuCurve heard = listener.push(clip.pcm), want = stream.push(clip.pcm);
  EXPECT_EQ(heard.times_s, want.times_s);
  ASSERT_GT(heard.rows(), 80u);
  EXPECT_EQ(heard.row(60).values(), want.row(60).values());
}

}  // namespace
}  // namespace emo::serve
