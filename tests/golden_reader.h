#pragma once

#include <filesystem>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "base/tensor.h"
#include "tests/temp_dir.h"
#include "tests/throws.h"
#include "weights/convert.h"
#include "weights/model_file.h"
#include "weights/safetensors.h"

namespace emo {

/// The narrow face reader of tests/golden/make_reader.py, converted, and what PyTorch's fp64 forward pass reads with it.
class GoldenReader {
 public:
  GoldenReader() : golden_(folder() / "reader.safetensors") {
    convert(folder() / "checkpoints/reader.safetensors", dir_ / "r.safetensors",
            {.layout = Layout::kReader, .config = folder() / "checkpoints/reader.json"});
    model_ = std::make_unique<const ModelFile>(dir_ / "r.safetensors");
  }
  const ModelFile& model() const { return *model_; }
  std::vector<float> floats(const std::string& name) const { return golden_.floats(name, golden_.at(name).shape); }

  /// What a reader, a Backend or a part of one, gives for the first N crops.
  template <typename Read>
  std::vector<float> answers(const Read& read, int N = 3) const {
    const auto crops = floats("crops");
    std::vector<float> answers(std::size_t(N) * 974);
    read(TensorView<const float>(crops.data(), {N, 3, 40, 40}), TensorView<float>(answers.data(), {N, 974, 1, 1}));
    return answers;
  }

  /// What a reader says that refuses NaN in the second of three crops.
  template <typename Read>
  std::string refusal_of_nan(const Read& read) const {
    auto crops = floats("crops");
    crops[crops.size() / 3 + 5] = std::numeric_limits<float>::quiet_NaN();
    std::vector<float> answers(3 * 974);
    return text_of(ErrorKind::kModel, [&] {
      read(TensorView<const float>(crops.data(), {3, 3, 40, 40}), TensorView<float>(answers.data(), {3, 974, 1, 1}));
    });
  }

 private:
  static std::filesystem::path folder() { return EMO_SOURCE_DIR "/tests/golden"; }

  const TempDir dir_;
  const SafeTensors golden_;
  std::unique_ptr<const ModelFile> model_;
};

/// fp32 sums of up to 72 products in five layers, values near 1: some 1e-6 is usual.
inline constexpr double kReaderTolerance = 2e-5;

}  // namespace emo
