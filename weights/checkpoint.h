#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "base/file.h"
#include "base/limits.h"

namespace emo {

/// A tensor of a checkpoint: a strided view into storage bytes that the Checkpoint keeps.
struct CheckpointTensor {
  DType dtype = DType::kF32;
  std::vector<std::int64_t> shape, stride;  ///< in elements
  std::int64_t offset = 0;                  ///< of the first element in the storage
  std::span<const std::byte> storage;

  std::int64_t count() const;
  /// The elements in row-major order as contiguous bytes of `dtype`.
  std::vector<std::byte> contiguous() const;
};

/// The tensors of a PyTorch checkpoint: torch.save's zip format, its legacy (pre-1.6) format, or a safetensors file.
/// The pickle is interpreted with a list of known names; nothing is ever imported or run.
///
/// `tensors` is flat: the keys of nested dictionaries are joined by '/', so a state dict under "state_dict" gives
/// "state_dict/main.0.weight". Entries that are no tensors (epochs, optimiser state, options, objects of any class) are
/// passed over. Throws Error(kModel), one sentence with the file's name: not a checkpoint, truncated, an opcode that
/// torch.save does not write, a tensor that reaches outside its storage, over max_tensors tensors, a TorchScript archive, a
/// whole module.
class Checkpoint {
 public:
  explicit Checkpoint(const std::filesystem::path& path, std::size_t max_tensors = limits::kMaxTensors);
  Checkpoint(std::span<const std::byte> file, std::string name, std::size_t max_tensors = limits::kMaxTensors);

  const std::string& name() const { return name_; }
  const std::map<std::string, CheckpointTensor>& tensors() const { return tensors_; }
  /// What lies under other keys and cannot be read: "numpy.ndarray", "torch.CharStorage" for int8 tensors. At most
  /// max_tensors.
  const std::map<std::string, std::string>& foreign() const { return foreign_; }
  /// What a safetensors file says about itself; empty for the other formats.
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

 private:
  void read(std::span<const std::byte> file, std::size_t max_tensors);

  MappedFile file_;
  std::string name_;
  std::map<std::string, CheckpointTensor> tensors_;
  std::map<std::string, std::string> foreign_, metadata_;
};

}  // namespace emo
