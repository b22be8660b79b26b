#include "engine/pipeline/face_tracker.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace emo {
namespace {

constexpr int kAllLooks = 3, kLooksWhenLost = 2;  // the third takes seconds, for each frame without a face
constexpr float kOneLook_px = 100;  // a face of this side is found at the picture's own size; dlib's least is 80

/// The part of a picture under a box, cut at its edges; x and y become those of its corner.
Image cut(const Image& image, const Box& box, int& x, int& y) {
  x = std::clamp(int(box.x), 0, image.width - 1), y = std::clamp(int(box.y), 0, image.height - 1);
  const int x_end = std::clamp(int(box.x + box.side), x + 1, image.width);
  const int y_end = std::clamp(int(box.y + box.side), y + 1, image.height);
  Image part(x_end - x, y_end - y);
  for (int row = 0; row < part.height; ++row) std::copy_n(image.pixel(x, y + row), 3 * part.width, part.pixel(0, row));
  return part;
}

}  // namespace

std::optional<Box> FaceTracker::find_near(const Image& frame, const Box& box) const {
  if (follow_) return follow_(frame, box);
  int x = 0, y = 0;
  const Image region = cut(frame, scaled(box, kFaceRegion), x, y);
  std::vector<Box> found = find_(region, {.looks = box.side < kOneLook_px ? kAllLooks : 1, .refine = false});
  if (found.empty()) return std::nullopt;
  for (Box& face : found) face.x += float(x), face.y += float(y);
  return *std::ranges::min_element(found, {}, [&](const Box& face) { return distance(box, face); });
}

std::optional<Box> FaceTracker::next(const Image& frame) {
  std::optional<Box> found = box_ ? find_near(frame, *box_) : std::nullopt;
  if (!found) {
    const std::vector<Box> faces = find_(frame, {.looks = box_ ? kLooksWhenLost : kAllLooks});
    if (faces.empty()) return std::nullopt;
    found = faces[0];
  }
  if (box_) {
    // The detector's steps are some 3% of a side: a box that jitters by that moves by a fifth of it, one that leaves by a
    // tenth of a side, or turns by a tenth of a radian, is followed at once.
    const float turn = std::remainder(found->roll - box_->roll, 2 * std::numbers::pi_v<float>);
    const float share = std::clamp(std::max(distance(*box_, *found), std::abs(turn)) / 0.1f, 0.2f, 1.f);
    const auto towards = [share](float from, float to) { return from + share * (to - from); };
    found = Box{towards(box_->x, found->x), towards(box_->y, found->y), towards(box_->side, found->side),
                towards(box_->roll, box_->roll + turn)};
  }
  return box_ = found;
}

}  // namespace emo
