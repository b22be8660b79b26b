#pragma once

#include <cmath>
#include <filesystem>
#include <map>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "weights/layers.h"
#include "weights/model_file.h"
#include "weights/safetensors.h"

namespace emo {

/// Writes a generator's weight file with seeded normal weights of variance 1 / fan-in, so that every layer's values stay
/// near 1 as a trained network's do, and normalisations of scale 1 +- 0.2 and shift 0 +- 0.2.
inline void write_random_generator(const std::filesystem::path& path, const GeneratorConfig& config, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::map<std::string, std::vector<float>> values;
  std::map<std::string, RawTensor> tensors;
  for (const LayerSpec& layer : generator_layers(config)) {
    // A transposed convolution with K = 2S sums K*K/S*S taps an output.
    const float fan_in = float(layer.C_in * layer.K * layer.K) / (layer.op == Op::kDeconv ? layer.S * layer.S : 1);
    std::vector<float>& weight = values[layer.weight()];
    weight.resize(std::size_t(layer.C_out) * layer.C_in * layer.K * layer.K);
    for (float& v : weight) v = normal(random) / std::sqrt(fan_in);
    if (layer.norm == Norm::kNone || !config.norm_affine) continue;
    for (const char* part : {".weight", ".bias"}) {
      std::vector<float>& v = values[layer.norm_key + part];
      for (int c = 0; c < layer.C_out; ++c) v.push_back((*(part + 1) == 'w') + 0.2f * normal(random));
    }
  }
  for (const TensorSpec& spec : generator_tensors(config)) {
    tensors[spec.name] = {DType::kF32, spec.shape, std::as_bytes(std::span(values.at(spec.name)))};
  }
  write_safetensors(path, tensors, {{ModelFile::kMetadataKey, to_json(config)}});
}

/// Seeded values, evenly between low and high.
inline std::vector<float> random_values(std::size_t count, unsigned seed, float low = -1, float high = 1) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform(low, high);
  std::vector<float> values(count);
  for (float& v : values) v = uniform(random);
  return values;
}

}  // namespace emo
