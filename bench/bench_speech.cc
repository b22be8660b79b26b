// The speech side: MFCC alone, and the whole way from sound to AUs. Seeded weights, seeded sound, no files needed.
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "bench/bench.h"
#include "bench/latencies.h"
#include "tests/random_generator.h"
#include "tests/random_speech.h"
#include "weights/model_file.h"

namespace emo {
namespace {

SpeechConfig config_of(int hidden, int layers) {
  SpeechConfig config;
  config.feature_mean.assign(std::size_t(config.features()), 0);
  config.feature_std.assign(std::size_t(config.features()), 10);
  config.lstm_hidden = hidden;
  config.lstm_layers = layers;
  return config;
}

struct Model {
  Model(const SpeechConfig& config, const Target& target)
      : on_disk(config, random_weights(config, 0.1f)),
        file(on_disk.path()),
        backend(open_backend({nullptr, &file}, target.options())) {}
  TemporaryModel on_disk;
  ModelFile file;
  std::unique_ptr<Backend> backend;
};

std::vector<float> noise(const SpeechConfig& config, int seconds) {
  return random_values(std::size_t(seconds) * std::size_t(config.sample_rate_hz), 4, -0.2f, 0.2f);
}

void mfcc(benchmark::State& state, const Target& target, int seconds) {
  const SpeechConfig config = config_of(96, 2);
  const Model model(config, target);
  const auto pcm = noise(config, seconds);
  warm_up([&] { model.backend->mfcc(pcm); });
  Latencies calls;
  for (auto _ : state) benchmark::DoNotOptimize(calls.time([&] { return model.backend->mfcc(pcm); }));
  state.SetLabel(model.backend->describe());
  calls.report(state);
  state.counters["realtime_factor"] = seconds / calls.median();
}

struct Case {
  int hidden, layers, seconds;
  bool per_frame;
};

void speech(benchmark::State& state, const Target& target, const Case& c) {
  const SpeechConfig config = config_of(c.hidden, c.layers);
  const Model model(config, target);
  const auto pcm = noise(config, c.seconds);
  std::vector<double> times_s;
  for (int i = 0; c.per_frame && i < 25 * c.seconds; ++i) times_s.push_back(i / 25.0);
  warm_up([&] { model.backend->speech(pcm, times_s); });
  Latencies calls, features;
  for (auto _ : state) {
    benchmark::DoNotOptimize(calls.time([&] { return model.backend->speech(pcm, times_s); }));
    state.PauseTiming();
    benchmark::DoNotOptimize(features.time([&] { return model.backend->mfcc(pcm); }));
    state.ResumeTiming();
  }
  state.SetLabel(model.backend->describe());
  calls.report(state);
  state.counters["realtime_factor"] = c.seconds / calls.median();
  // Noise has no quiet ends to trim; what is not MFCC is the LSTM.
  const double steps = double(c.seconds) * config.sample_rate_hz / config.hop_length / config.frame_stride;
  state.counters["lstm_us_per_step_and_layer"] = (calls.median() - features.median()) * 1e6 / steps / c.layers;
  report_work(state, speech_work(config, c.seconds), calls.median(), ceiling(target.backend, target.precision));
}

}  // namespace

void register_all() {
  for (const Target& target : targets({Precision::kFp32})) {  // speech has no other
    const std::string backend = name_of(target.backend);
    for (const int seconds : {3, 60, 600}) {
      benchmark::RegisterBenchmark(concat("BM_Mfcc/backend:", backend, "/seconds:", seconds).c_str(), mfcc, target, seconds)
          ->Unit(benchmark::kMillisecond);
    }
    // 6 s are 300 steps.
    for (const Case c :
         {Case{96, 2, 3, false}, {96, 2, 6, false}, {96, 2, 3, true}, {256, 2, 6, false}, {96, 2, 600, true}}) {
      const std::string title = concat(c.per_frame ? "BM_SpeechPerFrame" : "BM_Speech", "/backend:", backend,
                                       "/hidden:", c.hidden, "/layers:", c.layers, "/seconds:", c.seconds);
      benchmark::RegisterBenchmark(title.c_str(), speech, target, c)->Unit(benchmark::kMillisecond);
    }
  }
}

}  // namespace emo
