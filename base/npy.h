#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

namespace emo {

/// A float32 array of NumPy's .npy format, row-major.
struct NpyArray {
  std::vector<std::int64_t> shape;
  std::vector<float> values;
};

inline constexpr std::string_view kArrayExtensions[] = {".npy"};

/// Writes version 1.0, little-endian "<f4"; temporary file, then rename. Throws Error(kInput).
void write_npy(const std::filesystem::path& path, std::span<const std::int64_t> shape, std::span<const float> values);

/// Reads "<f4" and "<f8" in row-major order, versions 1 to 3. Throws Error(kInput) naming the file for anything else.
NpyArray read_npy(const std::filesystem::path& path);

}  // namespace emo
