#pragma once

#include <cstddef>
#include <vector>

namespace emo {

/// A row-major matrix: a frame a row.
struct Matrix {
  int rows = 0, cols = 0;
  std::vector<float> values;

  Matrix() = default;
  Matrix(int rows, int cols) : rows(rows), cols(cols), values(std::size_t(rows) * cols) {}
  float* row(int r) { return values.data() + std::size_t(r) * cols; }
  const float* row(int r) const { return values.data() + std::size_t(r) * cols; }
};

}  // namespace emo
