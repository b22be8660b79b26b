#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "weights/config.h"
#include "weights/layers.h"
#include "weights/model_file.h"
#include "weights/safetensors.h"

namespace emo {

/// Writes a face reader's weight file with these tensors, the others zero.
inline void write_reader(const std::filesystem::path& file, const ReaderConfig& config,
                         std::map<std::string, std::vector<float>> values) {
  std::map<std::string, RawTensor> tensors;
  for (const TensorSpec& spec : reader_tensors(config)) {
    std::size_t count = 1;
    for (const auto extent : spec.shape) count *= std::size_t(extent);
    values[spec.name].resize(count);
    tensors[spec.name] = {DType::kF32, spec.shape, std::as_bytes(std::span(values[spec.name]))};
  }
  write_safetensors(file, tensors, {{ModelFile::kMetadataKey, to_json(config)}});
}

}  // namespace emo
