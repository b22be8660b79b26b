#pragma once

#include <cstddef>
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

/// A tensor as it lies in a file: type, shape, row-major little-endian bytes. Borrowed from whoever made it.
struct RawTensor {
  DType dtype = DType::kF32;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;

  std::size_t count() const { return bytes.size() / size_of(dtype); }
};

/// "(128,64,4,4)"
std::string to_string(std::span<const std::int64_t> shape);

/// A safetensors file, memory-mapped and checked whole when it is opened. Format: 8 bytes little-endian header length,
/// a JSON object {name: {dtype, shape, data_offsets}, "__metadata__": {string: string}}, then the tensors' bytes.
///
/// Refused, with the file and the tensor named: a header over 1 MiB or past the end of the file, bad UTF-8 or JSON,
/// duplicate keys, nesting over 32, over max_tensors tensors, an unknown dtype, rank over 8, a negative or fractional
/// extent, a product or sum that overflows, a byte range that differs from shape x dtype, overlapping or missing bytes,
/// a tensor without elements, metadata that is not strings.
/// Throws Error(kModel). Source: github.com/huggingface/safetensors, format and its rules.
class SafeTensors {
 public:
  explicit SafeTensors(const std::filesystem::path& path, std::size_t max_tensors = limits::kMaxTensors);
  /// Parses bytes that outlive the object; `name` stands for the path in errors.
  SafeTensors(std::span<const std::byte> file, std::string name, std::size_t max_tensors = limits::kMaxTensors);

  const std::string& name() const { return name_; }
  const std::map<std::string, RawTensor>& tensors() const { return tensors_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  /// Throws Error(kModel) naming the file and the tensor when it is not there.
  const RawTensor& at(const std::string& tensor) const;
  /// The tensor as fp32, whatever floating type it is stored in. Throws Error(kModel) when it is missing, of an integer
  /// type, or not of this shape.
  std::vector<float> floats(const std::string& tensor, std::span<const std::int64_t> shape) const;

 private:
  void parse(std::span<const std::byte> file, std::size_t max_tensors);

  MappedFile file_;  ///< empty: the bytes are somebody else's
  std::string name_;
  std::map<std::string, RawTensor> tensors_;
  std::map<std::string, std::string> metadata_;
};

/// Writes tensors (in name order, contiguous, the data 8-byte aligned) and metadata to a temporary file, then renames it.
/// Throws Error(kInput) when the output cannot be written.
void write_safetensors(const std::filesystem::path& path, const std::map<std::string, RawTensor>& tensors,
                       const std::map<std::string, std::string>& metadata);

}  // namespace emo
