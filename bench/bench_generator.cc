// Model A: seeded random weights, no files needed. bench_generator --benchmark_format=json prints JSON alone on stdout.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "engine/backend.h"
#include "tests/random_generator.h"
#include "tests/temp_dir.h"
#include "weights/layers.h"

namespace emo {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

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

/// GFLOP/s of a 1024-cubed matrix product by oneDNN on all processors, the best of half a second: what multiply-adds can
/// reach here.
double ceiling_gflops(Precision precision) {
  using dnnl::memory;
  constexpr int n = 1024;
  const auto type = precision == Precision::kBf16 ? memory::data_type::bf16 : memory::data_type::f32;
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  dnnl::stream stream(engine);
  const memory::desc in({n, n}, type, memory::format_tag::any), out({n, n}, memory::data_type::f32, memory::format_tag::ab);
  const dnnl::matmul::primitive_desc pd({in, in, out}, engine);
  memory a(pd.src_desc(), engine), b(pd.weights_desc(), engine), c(pd.dst_desc(), engine);
  for (const memory& m : {a, b}) std::memset(m.get_data_handle(), 0, m.get_desc().get_size());
  dnnl::matmul product(pd);
  double best = 1e9;
  for (const auto begin = Clock::now(); seconds_since(begin) < 0.5;) {
    const auto start = Clock::now();
    product.execute(stream, {{DNNL_ARG_SRC, a}, {DNNL_ARG_WEIGHTS, b}, {DNNL_ARG_DST, c}});
    stream.wait();
    best = std::min(best, seconds_since(start));
  }
  return 2. * n * n * n / best * 1e-9;
}

void generator(benchmark::State& state, Precision precision, double ceiling, int width, int N) {
  GeneratorConfig config;
  config.conv_dim = width;
  const Model model(config);
  const auto backend = open_cpu_backend(model.file.get(), nullptr, {BackendKind::kCpu, precision});
  Batch batch(N, config.image_size);
  for (int i = 0; i < 2; ++i) backend->generate(batch.call());

  std::vector<double> seconds;
  for (auto _ : state) {
    const auto start = Clock::now();
    backend->generate(batch.call());
    seconds.push_back(seconds_since(start));
  }
  std::sort(seconds.begin(), seconds.end());
  const double median = seconds[seconds.size() / 2], p99 = seconds[(seconds.size() * 99 + 99) / 100 - 1];
  const double gflops = generator_flops(config) * N / median * 1e-9;
  state.SetLabel(backend->describe());
  state.counters["median_ms"] = median * 1e3;
  state.counters["p99_ms"] = p99 * 1e3;
  state.counters["images_per_s"] = N / median;
  state.counters["gflops"] = gflops;
  state.counters["share_of_ceiling"] = gflops / ceiling;
}

bool available(Precision precision) {
  try {
    return open_cpu_backend(nullptr, nullptr, {BackendKind::kCpu, precision, 1}) != nullptr;
  } catch (const Error&) {
    return false;
  }
}

void register_all() {
  const std::pair<Precision, const char*> precisions[] = {{Precision::kFp32, "fp32"}, {Precision::kBf16, "bf16"}};
  for (const auto& [precision, name] : precisions) {
    if (!available(precision)) continue;
    const double ceiling = ceiling_gflops(precision);
    for (const int width : {32, 64}) {
      for (const int N : {1, 8}) {
        const std::string title =
            concat("BM_Generator/backend:cpu/precision:", name, "/width:", width, "/N:", N, "/size:128");
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
