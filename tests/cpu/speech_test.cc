#include "engine/backend/cpu/speech.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numbers>
#include <thread>

#include "base/error.h"
#include "tests/close.h"
#include "tests/cpu/golden.h"
#include "tests/random_speech.h"
#include "tests/throws.h"

namespace emo {
namespace {

SpeechConfig narrow() {
  SpeechConfig config;
  config.lstm_hidden = 9;
  config.lstm_layers = 1;
  config.feature_mean.assign(39, 0);
  config.feature_std.assign(39, 20);
  return config;
}

CpuSpeech make(const SpeechConfig& config) {
  const TemporaryModel file(config);
  return CpuSpeech(ModelFile(file.path()));
}

/// A tone that swells and changes its pitch.
std::vector<float> sound(std::size_t samples, double gain = 0.3) {
  std::vector<float> pcm(samples);
  for (std::size_t i = 0; i < samples; ++i) {
    const double s = double(i) / 16000;
    pcm[i] = float(gain * (1.2 - std::cos(40 * s)) * std::sin(2 * std::numbers::pi * (200 + 900 * s) * s));
  }
  return pcm;
}

/// That sound between two silences.
std::vector<float> sound_between(std::size_t before, std::size_t samples, std::size_t after) {
  std::vector<float> pcm(before);
  const auto middle = sound(samples);
  pcm.insert(pcm.end(), middle.begin(), middle.end());
  pcm.resize(pcm.size() + after);
  return pcm;
}

bool is_zero(const Matrix& m, int row) {
  return std::all_of(m.row(row), m.row(row) + m.cols, [](float x) { return x == 0; });
}

TEST(Speech, ChainMatchesPyTorch) { expect_golden_chain<CpuSpeech>(); }

TEST(Speech, VoiceActivityMatchesTheTrainingCode) { expect_golden_voice<CpuSpeech>(); }

TEST(Speech, SilenceGivesZeros) {
  const CpuSpeech speech = make(narrow());
  std::vector<float> dither(8000);
  for (std::size_t i = 0; i < dither.size(); i += 3) dither[i] = (i % 2 ? -1 : 1) / 32768.f;
  for (const auto& pcm : {std::vector<float>(8000), std::vector<float>(1), dither}) {
    const Matrix clip = speech.speech(pcm, {});
    EXPECT_EQ(clip.rows, 1);
    EXPECT_EQ(clip.cols, 17);
    EXPECT_TRUE(is_zero(clip, 0));
    const Matrix frames = speech.speech(pcm, std::vector{0.0, 0.1});
    EXPECT_EQ(frames.rows, 2);
    EXPECT_TRUE(is_zero(frames, 0) && is_zero(frames, 1));
  }
}

TEST(Speech, QuietSpeechIsHeard) {
  const CpuSpeech speech = make(narrow());
  EXPECT_FALSE(is_zero(speech.speech(sound(8000, 1e-3), {}), 0));
}

TEST(Speech, GainChangesNothing) {
  const CpuSpeech speech = make(narrow());
  // Powers of two leave the trimming the same to the bit; what is left is the rounding of decibels.
  const Matrix want = speech.speech(sound_between(3000, 9000, 5000), {});
  auto louder = sound_between(3000, 9000, 5000);
  for (float& x : louder) x *= 2;
  expect_close(speech.speech(louder, {}).values, want.values, kAuTolerance);
}

TEST(Speech, ClipOfAnyLengthIsTaken) {
  auto with_deltas = narrow();
  with_deltas.n_mfcc = 13;
  with_deltas.deltas = true;
  for (const SpeechConfig& config : {narrow(), with_deltas}) {
    const CpuSpeech speech = make(config);
    for (const std::size_t samples : {1, 2, 159, 160, 256, 257, 399, 400, 401, 559, 560, 1601}) {
      const auto pcm = std::vector<float>(samples, 0.5f);
      const Matrix au = speech.speech(pcm, {});
      for (const float x : au.values) EXPECT_TRUE(std::isfinite(x)) << samples;
      EXPECT_FALSE(is_zero(au, 0)) << samples;
    }
  }
}

TEST(Speech, ClickWithoutPaddingKeepsOneRow) {
  auto config = narrow();
  config.trim_pad_frames = 0;
  config.utterance_mean_subtracted = false;
  std::vector<float> pcm(4000);
  pcm[2000] = 1;
  EXPECT_FALSE(is_zero(make(config).speech(pcm, {}), 0));
}

TEST(Speech, WithoutTrimmingAllFramesCount) {
  auto config = narrow();
  config.trim_db = -1;
  config.readout_window_s = 0.1;
  const auto pcm = sound_between(16000, 8000, 0);
  EXPECT_FALSE(is_zero(make(config).speech(pcm, std::vector{0.2}), 0));
  config.trim_db = 30;
  EXPECT_TRUE(is_zero(make(config).speech(pcm, std::vector{0.2}), 0));
}

TEST(Speech, TrimmedByNothingTheLoudestWindowsAreKept) {
  auto config = narrow();
  config.trim_db = 0;
  config.trim_pad_frames = 0;
  const Rows kept = speech_rows(std::vector{1.0, 4.0, 3.0, 2.0, 4.0, 1.0}, 6, config);
  EXPECT_EQ(kept.begin, 1);
  EXPECT_EQ(kept.end, 4);
}

TEST(Speech, WindowOverEverythingGivesTheClipsAnswer) {
  for (const Readout readout : {Readout::kMean, Readout::kLast}) {
    for (const bool bidirectional : {false, true}) {
      auto config = narrow();
      config.readout = readout;
      config.bidirectional = bidirectional;
      config.readout_window_s = 10;
      const CpuSpeech speech = make(config);
      const auto pcm = sound_between(800, 8000, 1000);
      EXPECT_EQ(speech.speech(pcm, {}).values, speech.speech(pcm, std::vector{0.3}).values);
    }
  }
}

TEST(Speech, WindowHoldsItsEdges) {
  auto config = narrow();
  config.trim_db = -1;
  config.frame_stride = 1;
  config.readout = Readout::kLast;
  // A causal LSTM's last state in a window is one and the same for all windows that end between two states, 10 ms apart.
  config.readout_window_s = 0.2;
  const CpuSpeech speech = make(config);
  const Matrix au = speech.speech(sound(16000), std::vector{0.4, 0.409, 0.41, 0.399});
  const auto row = [&](int r) { return std::vector<float>(au.row(r), au.row(r) + au.cols); };
  EXPECT_EQ(row(0), row(1));
  EXPECT_NE(row(0), row(2));
  EXPECT_NE(row(0), row(3));
}

TEST(Speech, WindowsOutsideTheSpeechAreZero) {
  auto config = narrow();
  config.readout_window_s = 0.1;
  const CpuSpeech speech = make(config);
  // Speech from 1.0 s to 1.5 s, kept with a pad of 5 frames and the loud windows' own 25 ms.
  const auto pcm = sound_between(16000, 8000, 16000);
  const Matrix au = speech.speech(pcm, std::vector{-1e300, 0.0, 0.85, 1.0, 1.25, 1.5, 1.65, 2.4, 1e300});
  for (const int row : {0, 1, 2, 6, 7, 8}) EXPECT_TRUE(is_zero(au, row)) << row;
  for (const int row : {3, 4, 5}) EXPECT_FALSE(is_zero(au, row)) << row;
}

TEST(Speech, WindowNarrowerThanAStrideStillHoldsAState) {
  auto config = narrow();
  config.readout_window_s = 0.001;
  const CpuSpeech speech = make(config);
  std::vector<double> times;
  for (int i = 0; i < 100; ++i) times.push_back(0.1 + 0.003 * i);
  const Matrix au = speech.speech(sound(8000), times);
  for (int row = 0; row < au.rows; ++row) EXPECT_FALSE(is_zero(au, row)) << row;
}

TEST(Speech, SameBytesFromManyThreads) {
  const CpuSpeech speech = make(narrow());
  const auto pcm = sound(12000);
  const std::vector<double> times = {0.1, 0.3, 0.5};
  std::vector<Matrix> got(4);
  std::vector<std::thread> threads;
  for (Matrix& m : got) threads.emplace_back([&] { m = speech.speech(pcm, times); });
  for (std::thread& t : threads) t.join();
  for (const Matrix& m : got) EXPECT_EQ(m.values, got[0].values);
}

TEST(Speech, BadSoundIsRefusedAsByMfcc) {
  const CpuSpeech speech = make(narrow());
  EXPECT_THROW(speech.speech({}, {}), Error);
  EXPECT_THROW(speech.speech(std::vector{0.f, std::nanf("")}, {}), Error);
}

TEST(Speech, AnswersThatOverflowNameTheFile) {
  auto weights = random_weights(narrow(), 1e-3f);
  std::ranges::fill(weights["lstm.bias_ih_l0"], 10.f);  // opens all gates: every state is nearly 1
  std::ranges::fill(weights["fc.weight"], 3e38f);
  const TemporaryModel file(narrow(), weights);
  const CpuSpeech speech{ModelFile(file.path())};
  EXPECT_EQ(text_of(ErrorKind::kModel, [&] { speech.speech(sound(8000), {}); }),
            "speech: an answer came out with NaN or infinity under " + file.path().string() +
                "; other weights or another clip are needed");
}

TEST(Speech, TimeThatIsNotFiniteIsNamed) {
  const CpuSpeech speech = make(narrow());
  try {
    speech.speech(sound(1000), std::vector{0.0, std::numeric_limits<double>::infinity()});
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kInternal);
    EXPECT_STREQ(e.what(), "speech: time 1 is inf; finite seconds are needed");
  }
}

}  // namespace
}  // namespace emo
