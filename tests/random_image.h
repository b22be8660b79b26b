#pragma once

#include <cstdint>
#include <random>

#include "engine/backend/image.h"

namespace emo {

/// A picture of seeded bytes.
inline Image noise(int width, int height, unsigned seed = 1) {
  Image image(width, height);
  std::mt19937 random(seed);
  for (auto& v : image.rgb) v = std::uint8_t(random());
  return image;
}

}  // namespace emo
