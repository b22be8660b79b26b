#pragma once

#include <filesystem>
#include <string>

#include "weights/config.h"
#include "weights/safetensors.h"

namespace emo {

/// A weight file of this project: safetensors whose metadata key "emoengine" holds the model's config, with exactly the
/// tensors that the config calls for, in a floating type, finite.
class ModelFile {
 public:
  /// Throws Error(kModel): whatever SafeTensors refuses, no "emoengine" key, a config that config_from_json refuses, a
  /// tensor that is missing, unexpected or of another shape, NaN or infinity in one (named, with its index).
  explicit ModelFile(const std::filesystem::path& path, std::size_t max_tensors = limits::kMaxTensors);

  const std::string& name() const { return tensors_.name(); }
  const ModelConfig& config() const { return config_; }
  /// The metadata object exactly as the file holds it.
  const std::string& config_json() const { return tensors_.metadata().at(kMetadataKey); }
  /// Throws Error(kModel) when the file is of another kind: "FILE: is a speech model; a generator is needed".
  const GeneratorConfig& generator() const;
  const SpeechConfig& speech() const;
  const ReaderConfig& reader() const;
  const SafeTensors& tensors() const { return tensors_; }
  std::vector<float> floats(const std::string& tensor) const;

  static constexpr const char* kMetadataKey = "emoengine";

 private:
  template <typename Config>
  const Config& as() const;

  SafeTensors tensors_;
  ModelConfig config_;
};

}  // namespace emo
