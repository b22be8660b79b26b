#include "engine/backend/shared/voice_activity.h"

#include <gtest/gtest.h>

#include <numeric>

namespace emo {
namespace {

SpeechConfig config() {
  SpeechConfig c;
  c.voice_change_db = 2.5;
  c.trim_pad_frames = 2;
  c.voice_hold_frames = 4;
  return c;
}

/// Adds `count` frames.
void add(std::vector<FrameMeasure>& frames, int count, float level, float change) {
  frames.insert(frames.end(), std::size_t(count), {level, change});
}

std::vector<int> range(int begin, int end) {
  std::vector<int> rows(std::size_t(end - begin));
  std::iota(rows.begin(), rows.end(), begin);
  return rows;
}

TEST(VoiceActivity, LevelIsTheStrongestBandAndChangeCountsStrongBands) {
  const std::vector<float> now = {-10, 20, -40, 5}, before = {-12, 0, -60, -50};
  const FrameMeasure m = measure(now, before);  // bands 0 and 1 within 30 dB in both, 3 in one, 2 in none
  EXPECT_EQ(m.level, 20);
  EXPECT_FLOAT_EQ(m.change, (2 + 20 + 55) / 3.f);
}

TEST(VoiceActivity, KeepsAVoiceWithItsPaddingAndHold) {
  std::vector<FrameMeasure> frames;
  add(frames, 20, -40, 5);
  add(frames, 30, 10, 5);
  add(frames, 20, -80, 5);
  const VoiceRows voice = voice_rows(frames, config());
  EXPECT_EQ(voice.rows, range(19, 53));  // of 30 frames the first and last have only 6 candidates near
  EXPECT_EQ(voice.reference_db, 10);
}

TEST(VoiceActivity, AClickAndABeepAreNoVoice) {
  std::vector<FrameMeasure> frames;
  add(frames, 20, -40, 5);
  add(frames, 6, 40, 20);  // a click, or how a beep begins
  add(frames, 25, 40, 0);  // how it goes on
  add(frames, 20, -80, 5);
  EXPECT_TRUE(voice_rows(frames, config()).rows.empty());
  add(frames, 30, 0, 5);
  const VoiceRows voice = voice_rows(frames, config());
  EXPECT_EQ(voice.rows, range(70, 101));
  EXPECT_EQ(voice.reference_db, 0);
}

TEST(VoiceActivity, SteadyNoiseAndSilenceAreNoVoice) {
  for (const float level : {-20.f, -70.f}) {
    std::vector<FrameMeasure> frames;
    for (int t = 0; t < 100; ++t) add(frames, 1, level + float(t % 5), 4);
    EXPECT_TRUE(voice_rows(frames, config()).rows.empty()) << level;
  }
  EXPECT_TRUE(voice_rows({}, config()).rows.empty());
}

TEST(VoiceActivity, TheReferenceIsReachedByLevelFramesOrAQuarter) {
  auto c = config();
  c.voice_over_noise_db = 0;
  c.trim_db = -1;
  std::vector<FrameMeasure> frames;
  for (int t = 0; t < 100; ++t) add(frames, 1, float(t), 5);  // frames 2 to 98 are voice
  c.level_frames = 3;
  EXPECT_EQ(voice_rows(frames, c).reference_db, 96);
  c.level_frames = 1000;
  EXPECT_EQ(voice_rows(frames, c).reference_db, 74);
}

TEST(VoiceActivity, QuietVoiceIsTrimmed) {
  std::vector<FrameMeasure> frames;
  add(frames, 20, -40, 0);
  add(frames, 30, 10, 5);
  add(frames, 40, -25, 5);  // 35 dB under the reference; trim_db is 30
  EXPECT_EQ(voice_rows(frames, config()).rows, range(19, 54));
}

}  // namespace
}  // namespace emo
