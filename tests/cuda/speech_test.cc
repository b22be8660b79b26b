#include "engine/backend/cuda/speech.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <thread>

#include "base/error.h"
#include "engine/backend/cpu/speech.h"
#include "simt/simt.h"
#include "tests/close.h"
#include "tests/cpu/golden.h"
#include "tests/random_generator.h"
#include "tests/random_speech.h"
#include "tests/simt/seeds.h"
#include "tests/throws.h"

namespace emo {
namespace {

TEST(CudaSpeech, MfccMatchesTorchaudio) {
  const SafeTensors golden(golden_path("speech_mfcc.safetensors"));
  ASSERT_EQ(golden.metadata().size(), 16u);
  for (const auto& [name, json] : golden.metadata()) {
    SCOPED_TRACE(name);
    auto config = std::get<SpeechConfig>(config_from_json(json, name, true));
    config.lstm_hidden = config.lstm_layers = 1;
    const TemporaryModel file(config);
    const CudaSpeech speech{ModelFile(file.path())};
    const Matrix got = speech.mfcc(read_floats(golden, name.substr(0, name.find('/')) + ".pcm"));
    const Matrix want = read_matrix(golden, name);
    EXPECT_EQ(got.rows, want.rows);
    EXPECT_EQ(got.cols, want.cols);
    expect_close(got.values, want.values, 1e-2);
  }
}

TEST(CudaSpeech, ChainMatchesPyTorch) { expect_golden_chain<CudaSpeech>(); }

TEST(CudaSpeech, VoiceActivityMatchesTheTrainingCode) { expect_golden_voice<CudaSpeech>(); }

SpeechConfig config_of(int hidden, int layers = 1, bool bidirectional = false) {
  SpeechConfig config;
  config.lstm_hidden = hidden;
  config.lstm_layers = layers;
  config.bidirectional = bidirectional;
  config.feature_mean.assign(39, 0);
  config.feature_std.assign(39, 20);
  return config;
}

/// A model of either backend with the same weights, small enough for a state to forget what a rounding did to it.
struct Both {
  explicit Both(const SpeechConfig& config)
      : file(config, random_weights(config, std::min(0.5f, 1 / std::sqrt(float(config.lstm_hidden))))),
        model(file.path()),
        cpu(model),
        cuda(model) {}
  TemporaryModel file;
  ModelFile model;
  CpuSpeech cpu;
  CudaSpeech cuda;
};

/// Noise between two silences.
std::vector<float> clip_of(std::size_t before, std::size_t samples, std::size_t after) {
  std::vector<float> pcm(before);
  const auto noise = random_values(samples, unsigned(samples), -0.3f, 0.3f);
  pcm.insert(pcm.end(), noise.begin(), noise.end());
  pcm.resize(pcm.size() + after);
  return pcm;
}

void expect_agreement(const SpeechConfig& config) {
  const Both both(config);
  for (const auto& pcm : {clip_of(700, 6000, 1500), clip_of(0, 300, 0), clip_of(0, 1, 0)}) {
    SCOPED_TRACE(concat(pcm.size(), " samples"));
    const Matrix want = both.cpu.mfcc(pcm), got = both.cuda.mfcc(pcm);
    EXPECT_EQ(got.rows, want.rows);
    // 1e-4 dB a band, of which a coefficient sums sqrt(n_mels) as much.
    expect_close(got.values, want.values, 1e-3);
    for (const std::vector<double>& times : {std::vector<double>{}, {-1.0, 0.0, 0.1, 0.237, 0.4, 9.0}}) {
      expect_close(both.cuda.speech(pcm, times).values, both.cpu.speech(pcm, times).values, kAuTolerance);
    }
  }
}

TEST(CudaSpeech, AgreesWithTheCpuAtEveryHiddenSize) {
#ifdef EMO_SIMT
  simt::set_device({.multiprocessors = 13});  // what 300 units fill
#endif
  for (const int hidden : {1, 3, 19, 96, 128, 300}) {
    SCOPED_TRACE(hidden);
    expect_agreement(config_of(hidden));
  }
#ifdef EMO_SIMT
  simt::set_device({});
#endif
}

#ifdef EMO_SIMT
TEST(CudaSpeech, SameBytesWithoutClusters) {
  const Both both(config_of(128));
  const auto pcm = clip_of(0, 3000, 0);
  const Matrix want = both.cuda.speech(pcm, {});
  for (const simt::Device& device : {simt::Device{.major = 8}, {.major = 12, .compiled_for = 80}}) {
    simt::set_device(device);
    EXPECT_EQ(CudaSpeech(both.model).speech(pcm, {}).values, want.values);
  }
  simt::set_device({});
}
#endif

TEST(CudaSpeech, AgreesWithTheCpuInLayersAndBothWays) {
  expect_agreement(config_of(19, 2));
  expect_agreement(config_of(7, 3, true));
  expect_agreement(config_of(128, 2, true));
}

TEST(CudaSpeech, AgreesWithTheCpuInEverySetting) {
  const auto with = [](const auto& change) {
    SpeechConfig config = config_of(9);
    change(config);
    config.feature_mean.assign(config.features(), 1);
    config.feature_std.assign(config.features(), 20);
    expect_agreement(config);
  };
  with([](SpeechConfig& c) { c.deltas = true, c.n_mfcc = 13; });
  with([](SpeechConfig& c) { c.mel_scale = MelScale::kSlaney, c.f_min_hz = 50; });
  with([](SpeechConfig& c) { c.log_mode = LogMode::kLn; });
  with([](SpeechConfig& c) { c.top_db = -1; });
  with([](SpeechConfig& c) { c.top_db = 20; });
  with([](SpeechConfig& c) { c.trim_db = -1; });
  with([](SpeechConfig& c) { c.trim_db = 3, c.trim_pad_frames = 0; });
  with([](SpeechConfig& c) { c.utterance_mean_subtracted = false; });
  with([](SpeechConfig& c) { c.frame_stride = 3, c.readout_window_s = 0.1; });
  with([](SpeechConfig& c) { c.readout = Readout::kLast; });
  with([](SpeechConfig& c) { c.readout = Readout::kLast, c.bidirectional = true; });
  with([](SpeechConfig& c) { c.voice_change_db = 0.1, c.voice_over_noise_db = 0; });
  with([](SpeechConfig& c) { c.voice_change_db = 2, c.voice_over_noise_db = 1, c.top_db = 20, c.level_frames = 3; });
  with([](SpeechConfig& c) { c.voice_change_db = 1, c.voice_hold_frames = 0, c.top_db = -1, c.trim_db = -1; });
  with([](SpeechConfig& c) { c.n_fft = 46, c.win_length = 31, c.hop_length = 7, c.n_mels = 19, c.n_mfcc = 5; });
}

TEST(CudaSpeech, ClipOfSeveralPiecesAgreesWithTheCpu) {
  SpeechConfig config = config_of(3);
  config.hop_length = 16;
  const Both both(config);
  const auto pcm = clip_of(0, 16 * CudaMfcc::kPiece * 2 + 50, 0);  // two whole pieces and four frames
  expect_close(both.cuda.mfcc(pcm).values, both.cpu.mfcc(pcm).values, 1e-3);
}

TEST(CudaSpeech, SilenceGivesZeros) {
  const Both both(config_of(9));
  for (const auto& pcm : {std::vector<float>(8000), std::vector<float>(1)}) {
    EXPECT_EQ(both.cuda.speech(pcm, {}).values, std::vector<float>(17));
    EXPECT_EQ(both.cuda.speech(pcm, std::vector{0.0, 0.1}).values, std::vector<float>(2 * 17));
  }
}

TEST(CudaSpeech, SameBytesForAClipAloneAndAmongOthers) {
  const Both both(config_of(19, 2, true));
  const std::vector<std::vector<float>> clips = {clip_of(0, 5000, 300), clip_of(0, 1, 0), std::vector<float>(900),
                                                 clip_of(400, 3000, 0)};
  std::vector<Matrix> alone;
  for (const auto& pcm : clips) alone.push_back(both.cuda.speech(pcm, {}));
  for_each_seed([&] {
    const auto together = both.cuda.speech(std::vector<std::span<const float>>(clips.begin(), clips.end()));
    ASSERT_EQ(together.size(), clips.size());
    for (std::size_t i = 0; i < clips.size(); ++i) EXPECT_EQ(together[i].values, alone[i].values) << i;
  });
  EXPECT_TRUE(both.cuda.speech(std::span<const std::span<const float>>()).empty());
}

TEST(CudaSpeech, SameBytesFromManyThreads) {
  const Both both(config_of(9));
  const auto pcm = clip_of(0, 4000, 0);
  const Matrix want = both.cuda.speech(pcm, {});
  std::vector<Matrix> got(3);
  std::vector<std::thread> threads;
  for (Matrix& m : got) threads.emplace_back([&] { m = both.cuda.speech(pcm, {}); });
  for (std::thread& t : threads) t.join();
  for (const Matrix& m : got) EXPECT_EQ(m.values, want.values);
}

TEST(CudaSpeech, AnswersThatOverflowNameTheFile) {
  auto weights = random_weights(config_of(6), 1e-3f);
  std::ranges::fill(weights["lstm.bias_ih_l0"], 10.f);  // opens all gates: every state is nearly 1
  std::ranges::fill(weights["fc.weight"], 3e38f);
  const TemporaryModel file(config_of(6), weights);
  const CudaSpeech speech{ModelFile(file.path())};
  const auto pcm = random_values(8'000, 1);
  EXPECT_EQ(text_of(ErrorKind::kModel, [&] { speech.speech(pcm, {}); }),
            "speech: an answer came out with NaN or infinity under " + file.path().string() +
                "; other weights or another clip are needed");
}

TEST(CudaSpeech, BadSoundAndTimesAreRefusedAsByTheCpu) {
  const Both both(config_of(1));
  const auto same = [&](ErrorKind kind, const auto& action) {
    const std::string text = text_of(kind, [&] { action(both.cuda); });
    EXPECT_EQ(text, text_of(kind, [&] { action(both.cpu); }));
    EXPECT_NE(text, "(no error)");
  };
  const std::vector<float> bad = {0, std::numeric_limits<float>::infinity()}, good(10, 0.1f);
  const std::vector times = {0.0, std::nan("")};
  same(ErrorKind::kInput, [](const auto& s) { s.mfcc({}); });
  same(ErrorKind::kInput, [&](const auto& s) { s.mfcc(bad); });
  same(ErrorKind::kInput, [](const auto& s) { s.speech({}, {}); });
  same(ErrorKind::kInput, [&](const auto& s) { s.speech(bad, {}); });
  same(ErrorKind::kInternal, [&](const auto& s) { s.speech(good, times); });
}

}  // namespace
}  // namespace emo
