#pragma once

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

}  // namespace emo
