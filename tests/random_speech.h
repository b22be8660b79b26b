#pragma once

#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "weights/layers.h"
#include "weights/model_file.h"

namespace emo {

/// The tensors of a speech model, seeded, in [-gain, gain].
inline std::map<std::string, std::vector<float>> random_weights(const SpeechConfig& config, float gain = 0.5f) {
  std::mt19937 random(11);
  std::uniform_real_distribution<float> uniform(-gain, gain);
  std::map<std::string, std::vector<float>> weights;
  for (const TensorSpec& spec : speech_tensors(config)) {
    std::size_t count = 1;
    for (const std::int64_t extent : spec.shape) count *= std::size_t(extent);
    for (std::size_t i = 0; i < count; ++i) weights[spec.name].push_back(uniform(random));
  }
  return weights;
}

/// A weight file on disk as long as the object lives.
class TemporaryModel {
 public:
  TemporaryModel(const SpeechConfig& config, const std::map<std::string, std::vector<float>>& weights) {
    static int count = 0;
    path_ = std::filesystem::temp_directory_path() / concat("emoengine_test_", ::getpid(), "_", count++, ".safetensors");
    std::map<std::string, RawTensor> tensors;
    for (const TensorSpec& spec : speech_tensors(config)) {
      tensors[spec.name] = {DType::kF32, spec.shape, std::as_bytes(std::span(weights.at(spec.name)))};
    }
    write_safetensors(path_, tensors, {{ModelFile::kMetadataKey, to_json(config)}});
  }
  explicit TemporaryModel(const SpeechConfig& config) : TemporaryModel(config, random_weights(config)) {}
  ~TemporaryModel() { std::filesystem::remove(path_); }
  TemporaryModel(const TemporaryModel&) = delete;
  TemporaryModel& operator=(const TemporaryModel&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace emo
