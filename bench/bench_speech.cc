// The speech side: MFCC alone, and the whole way from sound to AUs. Seeded weights, seeded sound, no files needed.
#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "bench/ceiling.h"
#include "bench/latencies.h"
#include "engine/backend.h"
#include "tests/random_generator.h"
#include "tests/random_speech.h"
#include "weights/layers.h"
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
  explicit Model(const SpeechConfig& config)
      : on_disk(config, random_weights(config, 0.1f)),
        file(on_disk.path()),
        backend(open_cpu_backend(nullptr, &file, {BackendKind::kCpu})) {}
  TemporaryModel on_disk;
  ModelFile file;
  std::unique_ptr<Backend> backend;
};

std::vector<float> noise(const SpeechConfig& config, int seconds) {
  return random_values(std::size_t(seconds) * std::size_t(config.sample_rate_hz), 4, -0.2f, 0.2f);
}

void mfcc(benchmark::State& state, int seconds) {
  const SpeechConfig config = config_of(96, 2);
  const Model model(config);
  const auto pcm = noise(config, seconds);
  Latencies calls;
  for (auto _ : state) benchmark::DoNotOptimize(calls.time([&] { return model.backend->mfcc(pcm); }));
  calls.report(state);
  state.counters["realtime_factor"] = seconds / calls.median();
}

struct Case {
  int hidden, layers, seconds;
  bool per_frame;
};

void speech(benchmark::State& state, const Case& c, double ceiling) {
  const SpeechConfig config = config_of(c.hidden, c.layers);
  const Model model(config);
  const auto pcm = noise(config, c.seconds);
  std::vector<double> times_s;
  for (int i = 0; c.per_frame && i < 25 * c.seconds; ++i) times_s.push_back(i / 25.0);
  Latencies calls;
  for (auto _ : state) benchmark::DoNotOptimize(calls.time([&] { return model.backend->speech(pcm, times_s); }));
  state.SetLabel(model.backend->describe());
  calls.report(state);
  state.counters["realtime_factor"] = c.seconds / calls.median();
  report_work(state, speech_flops(config, c.seconds), calls.median(), ceiling);
}

void register_all() {
  for (const int seconds : {3, 60, 600}) {
    benchmark::RegisterBenchmark(concat("BM_Mfcc/backend:cpu/seconds:", seconds).c_str(), mfcc, seconds)
        ->Unit(benchmark::kMillisecond);
  }
  const double ceiling = cpu_ceiling_gflops(Precision::kFp32);
  for (const Case c : {Case{96, 2, 3, false}, {96, 2, 3, true}, {256, 2, 3, false}, {96, 2, 600, true}}) {
    const std::string name = concat(c.per_frame ? "BM_SpeechPerFrame" : "BM_Speech", "/backend:cpu/hidden:", c.hidden,
                                    "/layers:", c.layers, "/seconds:", c.seconds);
    benchmark::RegisterBenchmark(name.c_str(), speech, c, ceiling)->Unit(benchmark::kMillisecond);
  }
}

}  // namespace
}  // namespace emo

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  emo::register_all();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
