#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "base/limits.h"
#include "weights/config.h"

namespace emo {

/// Whose key names a checkpoint uses. See weights/layouts.h.
enum class Layout { kAuto, kAlbertpumarola, kDonydchen, kVipermu, kSpeech, kReader };

struct ConvertOptions {
  Layout layout = Layout::kAuto;
  std::optional<std::string> prefix;  ///< of the keys of one of several models, "G_ema/"
  std::filesystem::path config;       ///< JSON with the keys of a config; empty: none
  std::optional<DType> dtype;         ///< of the tensors written; empty: as in the source (fp64 becomes fp32)
  std::size_t max_tensors = limits::kMaxTensors;
};

/// What was read and what was written, for the user.
struct ConvertReport {
  Layout layout;
  ModelConfig config;
  std::size_t tensors = 0;
  std::vector<std::string> notes;  ///< "running statistics of 16 layers ignored: ..."
};

/// Reads a PyTorch checkpoint (or a safetensors state dict) and writes a weight file of this project. From such a weight
/// file it takes the config too. Throws Error(kModel) for what cannot be read or recognised, Error(kInput) for an output
/// that cannot be written.
ConvertReport convert(const std::filesystem::path& in, const std::filesystem::path& out, const ConvertOptions& options);

}  // namespace emo
