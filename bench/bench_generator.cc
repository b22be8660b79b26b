// Model A: seeded random weights, no files needed. bench_generator --benchmark_format=json prints JSON alone on stdout.
#include <memory>
#include <thread>
#include <vector>

#include "base/error.h"
#include "bench/bench.h"
#include "bench/latencies.h"
#ifdef EMO_HAVE_CUDA
#include "engine/backend/cuda/generator.h"
#endif
#include "tests/random_generator.h"
#include "tests/temp_dir.h"

namespace emo {
namespace {

struct Model {
  explicit Model(int width) {
    config.conv_dim = width;
    write_random_generator(folder / "generator.safetensors", config);
    file = std::make_unique<ModelFile>(folder / "generator.safetensors");
  }
  GeneratorConfig config;
  TempDir folder;
  std::unique_ptr<ModelFile> file;
};

struct Opened {
  Opened(const Target& target, int width)
      : model(width), backend(open_backend({model.file.get(), nullptr}, target.options())) {}
  Model model;
  std::unique_ptr<Backend> backend;
};
using KeptOpened = std::shared_ptr<Kept<Opened>>;

struct Batch {
  Batch(int N, int S) : shape{N, 3, S, S}, faces(random_values(shape.count(), 7)), aus(random_values(17 * N, 8, 0, 1)) {
    out.resize(faces.size());
  }
  GenerateCall call() { return {{faces.data(), shape}, {aus.data(), {shape.N, 17, 1, 1}}, {out.data(), shape}, {}, {}}; }
  Shape shape;
  std::vector<float> faces, aus, out;
};

void generator(benchmark::State& state, const KeptOpened& kept, const Target& target, int width, int N) {
  const Opened& opened = kept->open(concat(target.title(), width), target, width);
  const GeneratorConfig& config = opened.model.config;
  const Backend& backend = *opened.backend;
  Batch batch(N, config.image_size);
  warm_up([&] { backend.generate(batch.call()); });

  Latencies calls;
  for (auto _ : state) calls.time([&] { backend.generate(batch.call()); });
  state.SetLabel(backend.describe());
  calls.report(state);
  state.counters["images_per_s"] = N / calls.median();
  report_work(state, generator_work(config, target.precision, N), calls.median(), ceiling(target.backend, target.precision));
}

struct Engines {
  Engines(const Target& target, int width, int count) {
    for (int i = 0; i < count; ++i) all.push_back(std::make_unique<Opened>(target, width));
  }
  std::vector<std::unique_ptr<Opened>> all;
};
using KeptEngines = std::shared_ptr<Kept<Engines>>;

/// Several engines in one process, each at a face at the same time.
void engines(benchmark::State& state, const KeptEngines& kept, const Target& target, int width, int count) {
  const Engines& opened = kept->open(concat(target.title(), width, '/', count), target, width, count);
  std::vector<Batch> batches(std::size_t(count), Batch(1, opened.all[0]->model.config.image_size));
  const auto run = [&] {
    std::vector<std::jthread> callers;
    for (std::size_t i = 0; i < batches.size(); ++i) {
      callers.emplace_back([&, i] { opened.all[i]->backend->generate(batches[i].call()); });
    }
  };
  warm_up(run);

  Latencies calls;
  for (auto _ : state) calls.time(run);
  calls.report(state);
  state.counters["images_per_s"] = count / calls.median();
}

#ifdef EMO_HAVE_CUDA
struct OpenedOnDevice {
  OpenedOnDevice(Precision precision, int width)
      : model(width), generator(*model.file, precision, {}, 2, 0, may_use_wgmma) {}
  Model model;
  CudaGenerator generator;
};
using KeptOnDevice = std::shared_ptr<Kept<OpenedOnDevice>>;

/// Faces on the device in, faces on the device out.
void on_device(benchmark::State& state, const KeptOnDevice& kept, Precision precision, int width, int N) {
  const OpenedOnDevice& opened = kept->open(concat(name_of(precision), width), precision, width);
  const GeneratorConfig& config = opened.model.config;
  const CudaGenerator& generator = opened.generator;
  const Batch batch(N, config.image_size);
  const DeviceBuffer<float> faces(batch.faces, "faces");
  const auto make = [&](float* to, cudaStream_t stream) {
    EMO_CUDA(cudaMemcpyAsync(to, faces.data(), faces.size() * sizeof(float), cudaMemcpyDeviceToDevice, stream));
  };
  const auto use = [](const CudaGenerator::DevicePictures&, cudaStream_t) {};
  const auto run = [&] { return generator.run_on_device(config.image_size, batch.aus, 1, make, use); };
  warm_up(run);

  Latencies calls;
  for (auto _ : state) calls.time(run);
  calls.report(state);
  state.counters["images_per_s"] = N / calls.median();
  report_work(state, generator_work(config, precision, N), calls.median(), ceiling(BackendKind::kCuda, precision));
}
#endif

}  // namespace

void register_all() {
  const auto kept = std::make_shared<Kept<Opened>>();
  const std::vector<Target> all = targets();
  for (const Target& target : all) {
    for (const int width : {64, 32}) {
      for (const int N : {1, 8, 64}) {
        const std::string title = concat("BM_Generator/", target.title(), "/width:", width, "/N:", N, "/size:128");
        benchmark::RegisterBenchmark(title.c_str(), generator, kept, target, width, N)->Unit(benchmark::kMillisecond);
      }
    }
  }
  const auto kept_engines = std::make_shared<Kept<Engines>>();
  for (const Target& target : all) {
    for (const int count : {1, 2}) {
      const std::string title = concat("BM_Engines/", target.title(), "/width:64/engines:", count, "/size:128");
      benchmark::RegisterBenchmark(title.c_str(), engines, kept_engines, target, 64, count)->Unit(benchmark::kMillisecond);
    }
  }
#ifdef EMO_HAVE_CUDA
  const auto kept_on_device = std::make_shared<Kept<OpenedOnDevice>>();
  for (const Target& target : all) {
    if (target.backend != BackendKind::kCuda) continue;
    for (const int width : {64, 32}) {
      for (const int N : {1, 8, 64}) {
        const std::string title =
            concat("BM_GeneratorOnDevice/precision:", name_of(target.precision), "/width:", width, "/N:", N, "/size:128");
        benchmark::RegisterBenchmark(title.c_str(), on_device, kept_on_device, target.precision, width, N)
            ->Unit(benchmark::kMillisecond);
      }
    }
  }
#endif
}

}  // namespace emo
