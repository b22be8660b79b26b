#pragma once

#include <algorithm>
#include <array>

/// The inside of a mouth that the photo does not show: upper teeth and gum on the skull, lower teeth and tongue on the jaw.
namespace emo {

/// A place in a mouth, in distances of the outer eye corners.
struct MouthPlace {
  float u, v;   ///< from the middle of the neutral face's lips, to the left of the person and down the face
  float jaw;    ///< how far the jaw has dropped
  float depth;  ///< distance to the lips, whose shadow lies on what is near
};

/// Its colour: red, green, blue, 0 to 255.
std::array<float, 3> paint_mouth(const MouthPlace& at);

inline float smooth_step(float low, float high, float x) {
  const float t = std::clamp((x - low) / (high - low), 0.f, 1.f);
  return t * t * (3 - 2 * t);
}

}  // namespace emo
