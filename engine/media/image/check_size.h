#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "engine/media/header_reader.h"
#include "engine/media/media.h"

namespace emo {

/// Refuses a picture, or a part of it that is decoded as a whole, which is larger than the limits or empty.
inline void check_size(const HeaderReader& in, const char* what, std::int64_t width, std::int64_t height,
                       const ImageLimits& limits) {
  if (width <= 0 || height <= 0) in.damaged(concat("its ", what, " is ", width, "x", height));
  if (std::max(width, height) > limits.max_side) {
    in.refused(concat("has a ", what, " of ", width, "x", height, "; at most ", limits.max_side,
                      " pixels a side are taken. Scale it down, or raise `max_side`"));
  }
  const double megapixels = double(width) * double(height) / 1e6;
  if (megapixels > limits.max_megapixels) {
    in.refused(concat("has a ", what, " of ", width, "x", height, ", ", std::ceil(megapixels * 10) / 10,
                      " megapixels; at most ", limits.max_megapixels,
                      " are taken. Scale it down, or raise `max_megapixels`"));
  }
}

}  // namespace emo
