#include "bench/bench.h"

#include <algorithm>
#include <functional>
#include <iostream>

#include "base/error.h"
#include "weights/layers.h"

namespace emo {
namespace {

bool is_there(const Target& target, const std::function<void()>& attempt) {
  try {
    attempt();
    return true;
  } catch (const Error& error) {
    std::cerr << "left out: " << target.title() << ": " << error.what() << "\n";
    return false;
  }
}

}  // namespace

std::string Target::title() const { return concat("backend:", name_of(backend), "/precision:", name_of(precision)); }

std::vector<Target> targets(std::initializer_list<Precision> precisions) {
  std::vector<Target> found;
  for (const BackendKind backend : {BackendKind::kCpu, BackendKind::kCuda}) {
    for (const Precision precision : precisions) {
      const Target target{backend, precision};
      if (is_there(target, [&] { open_backend({}, target.options()); }) && has_ceiling(target)) {
        found.push_back(target);
      }
    }
  }
  return found;
}

bool has_ceiling(const Target& target) {
  return is_there(target, [&] { ceiling(target.backend, target.precision); });
}

Work generator_work(const GeneratorConfig& config, Precision precision, int N) {
  const double bytes = precision == Precision::kBf16 || precision == Precision::kFp16 ? 2 : 4;
  const std::vector<LayerSpec> layers = generator_layers(config);
  double weights = 0;
  for (const LayerSpec& layer : layers) weights += double(layer.C_in) * layer.C_out * layer.K * layer.K;
  const double planes = double(config.au_names.size()) / layers.front().C_in;
  const double folded = 2 * double(layers.front().macs()) * planes;
  const double pixels = double(config.image_size) * config.image_size;
  return {N * (generator_flops(config) - folded), bytes * weights + N * pixels * (3 + 3) * double(sizeof(float))};
}

Work speech_work(const SpeechConfig& config, double seconds) {
  double weights = 0;
  for (const TensorSpec& tensor : speech_tensors(config)) {
    double count = 1;
    for (const std::int64_t extent : tensor.shape) count *= double(extent);
    weights += count;
  }
  return {speech_flops(config, seconds), double(sizeof(float)) * (weights + seconds * config.sample_rate_hz)};
}

void report_work(benchmark::State& state, const Work& work, double seconds, const Ceiling& ceiling) {
  state.counters["tflops"] = work.flops / seconds * 1e-12;
  state.counters["share_of_ceiling"] = std::max(work.flops / ceiling.flops, work.bytes / ceiling.bytes) / seconds;
}

}  // namespace emo
