// The speech side: MFCC alone, and the whole way from sound to AUs. Seeded weights, seeded sound, no files but one that is
// written to the temporary folder and removed.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "engine/backend.h"
#include "weights/layers.h"
#include "weights/model_file.h"

namespace {

using namespace emo;

constexpr int kRateHz = 16'000;

/// A model of random weights and the backend that runs it.
class Model {
 public:
  Model(BackendKind kind, const SpeechConfig& config) {
    const auto path = std::filesystem::temp_directory_path() / concat("emoengine_bench_", ::getpid(), ".safetensors");
    write(path, config);
    file_ = std::make_unique<ModelFile>(path);
    std::filesystem::remove(path);
    backend_ = open_backend(nullptr, file_.get(), {.kind = kind});
  }
  const Backend& backend() const { return *backend_; }

 private:
  static void write(const std::filesystem::path& path, const SpeechConfig& config) {
    std::mt19937 random(3);
    std::uniform_real_distribution<float> uniform(-0.1f, 0.1f);
    std::map<std::string, std::vector<float>> weights;
    std::map<std::string, RawTensor> tensors;
    for (const TensorSpec& spec : speech_tensors(config)) {
      std::size_t count = 1;
      for (const auto extent : spec.shape) count *= std::size_t(extent);
      auto& values = weights[spec.name];
      for (std::size_t i = 0; i < count; ++i) values.push_back(uniform(random));
      tensors[spec.name] = {DType::kF32, spec.shape, std::as_bytes(std::span(values))};
    }
    write_safetensors(path, tensors, {{ModelFile::kMetadataKey, to_json(config)}});
  }

  std::unique_ptr<ModelFile> file_;
  std::unique_ptr<Backend> backend_;
};

SpeechConfig config_of(int hidden, int layers) {
  SpeechConfig config;
  config.sample_rate_hz = kRateHz;
  config.feature_mean.assign(std::size_t(config.features()), 0);
  config.feature_std.assign(std::size_t(config.features()), 10);
  config.lstm_hidden = hidden;
  config.lstm_layers = layers;
  return config;
}

std::vector<float> noise(int seconds) {
  std::mt19937 random(4);
  std::normal_distribution<float> normal(0, 0.1f);
  std::vector<float> pcm(std::size_t(seconds) * kRateHz);
  for (float& x : pcm) x = normal(random);
  return pcm;
}

/// Times each call and reports the median, the 99th percentile, and seconds of sound per second of work.
template <typename Call>
void measure(benchmark::State& state, int seconds, Call&& call) {
  std::vector<double> latency_us;
  for (auto _ : state) {
    const auto start = std::chrono::steady_clock::now();
    benchmark::DoNotOptimize(call());
    latency_us.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count());
  }
  std::ranges::sort(latency_us);
  const double median = latency_us[latency_us.size() / 2];
  state.counters["median_us"] = median;
  state.counters["p99_us"] = latency_us[latency_us.size() * 99 / 100];
  state.counters["realtime_factor"] = seconds * 1e6 / median;
}

void add_benchmarks(BackendKind kind) {
  const std::string backend = concat("/backend:", name_of(kind));
  for (const int seconds : {3, 60, 600}) {
    benchmark::RegisterBenchmark(concat("BM_Mfcc", backend, "/seconds:", seconds).c_str(), [=](benchmark::State& state) {
      const Model model(kind, config_of(96, 2));
      const auto pcm = noise(seconds);
      measure(state, seconds, [&] { return model.backend().mfcc(pcm); });
    })->Unit(benchmark::kMicrosecond);
  }
  struct Case {
    int hidden, layers, seconds;
    bool per_frame;
  };
  for (const Case c : {Case{96, 2, 3, false}, {96, 2, 3, true}, {256, 2, 3, false}, {96, 2, 600, true}}) {
    const std::string name = concat(c.per_frame ? "BM_SpeechPerFrame" : "BM_Speech", backend, "/hidden:", c.hidden,
                                    "/layers:", c.layers, "/seconds:", c.seconds);
    benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) {
      const Model model(kind, config_of(c.hidden, c.layers));
      const auto pcm = noise(c.seconds);
      std::vector<double> times_s;
      for (int i = 0; c.per_frame && i < 25 * c.seconds; ++i) times_s.push_back(i / 25.0);
      measure(state, c.seconds, [&] { return model.backend().speech(pcm, times_s); });
    })->Unit(benchmark::kMicrosecond);
  }
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
#ifdef EMO_HAVE_CPU
  add_benchmarks(BackendKind::kCpu);
#endif
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
