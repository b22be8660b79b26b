#include "engine/backend/cpu/live_speech.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "base/error.h"
#include "tests/close.h"
#include "tests/cpu/golden.h"
#include "tests/random_generator.h"
#include "tests/random_speech.h"
#include "tests/throws.h"

namespace emo {
namespace {

SpeechConfig narrow() {
  SpeechConfig config;
  config.voice_change_db = 2.5;
  config.lstm_hidden = 9;
  config.feature_mean.assign(39, 0);
  config.feature_std.assign(39, 20);
  return config;
}

std::vector<float> golden_voice() {
  return read_floats(SafeTensors(golden_path("speech_voice_aus.safetensors")), "voice.pcm");
}

/// 9 s, so more than a stream remembers: loud, then a fifth as loud.
std::vector<float> long_voice() {
  auto pcm = golden_voice();
  std::vector<float> again = pcm;
  pcm.resize(88000);
  for (const float sample : again) pcm.push_back(sample / 5);
  return pcm;
}

/// The rows of a stream that is cut into blocks of `block` samples.
Matrix streamed(const ModelFile& model, std::span<const float> pcm, std::size_t block) {
  CpuLiveSpeech live(model, 25);
  Matrix out(0, 17);
  for (; !pcm.empty(); pcm = pcm.subspan(std::min(block, pcm.size()))) {
    const Matrix rows = live.push(pcm.first(std::min(block, pcm.size())));
    out.rows += rows.rows;
    out.values.insert(out.values.end(), rows.values.begin(), rows.values.end());
  }
  return out;
}

TEST(LiveSpeech, MatchesTheTrainingCode) {
  const SafeTensors golden(golden_path("speech_voice_aus.safetensors"));
  const ModelFile model(golden_path("speech_voice.safetensors"));
  for (const std::string signal : {"voice", "short", "tone", "nothing", "long"}) {
    SCOPED_TRACE(signal);
    auto pcm = signal == "long" ? long_voice() : read_floats(golden, signal + ".pcm");
    Matrix want = read_matrix(golden, signal + "/live");
    pcm.resize(pcm.size() + 4000);  // silence follows
    Matrix got = streamed(model, pcm, 1000);
    ASSERT_GE(got.rows, want.rows);
    got.values.resize(want.values.size());
    expect_close(got.values, want.values, kAuTolerance);
  }
}

TEST(LiveSpeech, SameBytesHoweverTheStreamIsCut) {
  const ModelFile model(golden_path("speech_voice.safetensors"));
  const auto pcm = golden_voice();
  const Matrix want = streamed(model, pcm, pcm.size());
  EXPECT_GT(want.rows, 60);
  for (const std::size_t block : {1, 7, 160, 4801}) EXPECT_EQ(streamed(model, pcm, block).values, want.values) << block;
}

TEST(LiveSpeech, ARowComesNoLaterThanItsDelay) {
  const ModelFile model(golden_path("speech_voice.safetensors"));
  CpuLiveSpeech live(model, 25);
  EXPECT_LE(live.delay_s(), 0.12);
  const auto pcm = golden_voice();
  int rows = 0;
  for (std::size_t i = 0; i < pcm.size(); ++i) {
    rows += live.push({&pcm[i], 1}).rows;
    const double heard_s = double(i + 1) / 16000;
    ASSERT_GE(rows, int(std::floor((heard_s - live.delay_s()) * 25 + 1e-9)) + 1 - (heard_s < live.delay_s()));
  }
}

TEST(LiveSpeech, NothingIsHeardInATone) {
  const TemporaryModel file(narrow());
  std::vector<float> pcm(32000);
  for (std::size_t i = 0; i < pcm.size(); ++i) pcm[i] = float(0.5 * std::sin(2 * std::numbers::pi * 0.06 * double(i)));
  const Matrix rows = streamed(ModelFile(file.path()), pcm, 500);
  EXPECT_GT(rows.rows, 40);
  EXPECT_EQ(rows.values, std::vector<float>(rows.values.size()));
}

TEST(LiveSpeech, NothingIsHeardInSteadyNoiseFromItsStart) {
  const TemporaryModel file(narrow());
  const auto pcm = random_values(48000, 3, -0.1f, 0.1f);
  const Matrix rows = streamed(ModelFile(file.path()), pcm, 500);
  EXPECT_EQ(rows.values, std::vector<float>(rows.values.size()));
}

TEST(LiveSpeech, ModelsThatNeedTheClipsEndAreRefused) {
  const auto text = [](const auto& change) {
    SpeechConfig config = narrow();
    change(config);
    const TemporaryModel file(config);
    const ModelFile model(file.path());
    const std::string said = text_of(ErrorKind::kModel, [&] { CpuLiveSpeech(model, 25); });
    return said.substr(std::min(said.size(), file.path().string().size()));
  };
  EXPECT_EQ(text([](SpeechConfig& c) { c.bidirectional = true; }),
            ": is bidirectional and needs a clip's end; a stream needs a model that is not");
  EXPECT_EQ(text([](SpeechConfig& c) { c.voice_change_db = 0; }),
            ": has no voice_change_db; a stream needs a model that was trained with it");
  EXPECT_EQ(text([](SpeechConfig& c) { c.trim_pad_frames = 6; }),
            ": decides on a frame after 0.1225 s; a stream needs 0.12 at most. Lower its trim_pad_frames");
}

TEST(LiveSpeech, BadSamplesAreRefusedBeforeAnyIsTaken) {
  const ModelFile model(golden_path("speech_voice.safetensors"));
  const auto pcm = golden_voice();
  CpuLiveSpeech live(model, 25), other(model, 25);
  std::vector<float> bad(pcm.begin(), pcm.begin() + 500);
  bad.back() = std::nanf("");
  EXPECT_THROW(live.push(bad), Error);
  EXPECT_EQ(live.push(pcm).values, other.push(pcm).values);
}

}  // namespace
}  // namespace emo
