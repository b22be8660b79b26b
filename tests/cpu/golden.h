#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "engine/backend.h"
#include "weights/safetensors.h"

namespace emo {

/// A file that tests/golden/make_speech.py made.
inline std::filesystem::path golden_path(const std::string& name) {
  return std::filesystem::path(EMO_SOURCE_DIR) / "tests/golden" / name;
}

/// A tensor of any shape as fp32.
inline std::vector<float> read_floats(const SafeTensors& file, const std::string& name) {
  return file.floats(name, file.at(name).shape);
}

inline Matrix read_matrix(const SafeTensors& file, const std::string& name) {
  const auto& shape = file.at(name).shape;
  Matrix m(int(shape.at(0)), int(shape.at(1)));
  m.values = read_floats(file, name);
  return m;
}

}  // namespace emo
