// Model A: seeded random weights, no files needed. bench_generator --benchmark_format=json prints JSON alone on stdout.
#include <memory>
#include <vector>

#include "base/error.h"
#include "bench/bench.h"
#include "bench/latencies.h"
#include "tests/random_generator.h"
#include "tests/temp_dir.h"

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

void generator(benchmark::State& state, const Target& target, int width, int N) {
  GeneratorConfig config;
  config.conv_dim = width;
  const Model model(config);
  const auto backend = open_backend(model.file.get(), nullptr, target.options());
  Batch batch(N, config.image_size);
  warm_up([&] { backend->generate(batch.call()); });

  Latencies calls;
  for (auto _ : state) calls.time([&] { backend->generate(batch.call()); });
  state.SetLabel(backend->describe());
  calls.report(state);
  state.counters["images_per_s"] = N / calls.median();
  report_work(state, generator_work(config, target.precision, N), calls.median(), ceiling(target.backend, target.precision));
}

}  // namespace

void register_all() {
  for (const Target& target : targets()) {
    for (const int width : {64, 32}) {
      for (const int N : {1, 8, 64}) {
        const std::string title = concat("BM_Generator/", target.title(), "/width:", width, "/N:", N, "/size:128");
        benchmark::RegisterBenchmark(title.c_str(), generator, target, width, N)->Unit(benchmark::kMillisecond);
      }
    }
  }
}

}  // namespace emo
