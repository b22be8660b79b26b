// Model A: seeded random weights, no files needed. bench_generator --benchmark_format=json prints JSON alone on stdout.
#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "bench/ceiling.h"
#include "bench/latencies.h"
#include "engine/backend.h"
#include "tests/random_generator.h"
#include "tests/temp_dir.h"
#include "weights/layers.h"

namespace emo {
namespace {

struct Model {
  explicit Model(const GeneratorConfig& config) {
    write_random_generator(folder / "generator.safetensors", config);
    file = std::make_unique<ModelFile>(folder / "generator.safetensors");
  }
  TempDir folder;
  std::unique_ptr<ModelFile> file;
};

struct Batch {
  Batch(int N, int S) : shape{N, 3, S, S}, faces(random_values(shape.count(), 7)), aus(random_values(17 * N, 8, 0, 1)) {
    out.resize(faces.size());
  }
  GenerateCall call() { return {{faces.data(), shape}, {aus.data(), {shape.N, 17, 1, 1}}, {out.data(), shape}, {}, {}}; }
  Shape shape;
  std::vector<float> faces, aus, out;
};

void generator(benchmark::State& state, Precision precision, double ceiling, int width, int N) {
  GeneratorConfig config;
  config.conv_dim = width;
  const Model model(config);
  const auto backend = open_cpu_backend(model.file.get(), nullptr, {BackendKind::kCpu, precision});
  Batch batch(N, config.image_size);
  for (int i = 0; i < 2; ++i) backend->generate(batch.call());

  Latencies calls;
  for (auto _ : state) calls.time([&] { backend->generate(batch.call()); });
  state.SetLabel(backend->describe());
  calls.report(state);
  state.counters["images_per_s"] = N / calls.median();
  report_work(state, generator_flops(config) * N, calls.median(), ceiling);
}

void register_all() {
  for (const Precision precision : {Precision::kFp32, Precision::kBf16}) {
    if (!cpu_computes_in(precision)) continue;
    const double ceiling = cpu_ceiling_gflops(precision);
    for (const int width : {32, 64}) {
      for (const int N : {1, 8}) {
        const std::string title =
            concat("BM_Generator/backend:cpu/precision:", name_of(precision), "/width:", width, "/N:", N, "/size:128");
        benchmark::RegisterBenchmark(title.c_str(), generator, precision, ceiling, width, N)->Unit(benchmark::kMillisecond);
      }
    }
  }
}

}  // namespace
}  // namespace emo

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  emo::register_all();
  benchmark::RunSpecifiedBenchmarks();
}
