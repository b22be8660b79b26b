#pragma once

#include <cstddef>
#include <ostream>

namespace emo {

/// Extents of a picture-like tensor. Which order the values lie in memory is said by whoever takes one.
struct Shape {
  int N = 1, C = 1, H = 1, W = 1;

  std::size_t count() const { return std::size_t(N) * C * H * W; }
  std::size_t plane() const { return std::size_t(H) * W; }
  bool operator==(const Shape&) const = default;
};

inline std::ostream& operator<<(std::ostream& out, const Shape& s) {
  return out << '(' << s.N << ',' << s.C << ',' << s.H << ',' << s.W << ')';
}

}  // namespace emo
