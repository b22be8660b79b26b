#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "engine/media/media.h"

namespace emo {

/// Follows one face through a video: looks round the place where it was, in the whole frame when it is not there, and
/// smooths the box, whose size and place the detector only knows in steps.
class FaceTracker {
 public:
  /// As Media::find_faces: boxes largest first.
  using Find = std::function<std::vector<Box>(const Image& picture, const FaceSearch& search)>;
  /// The face that was under `last` in the frame before, or none.
  using Follow = std::function<std::optional<Box>(const Image& frame, const Box& last)>;
  /// Without `follow` it is `find` that looks round the last place.
  explicit FaceTracker(Find find, Follow follow = {}) : find_(std::move(find)), follow_(std::move(follow)) {}

  /// The face in the next frame; none when it shows none. The first is the largest in its frame.
  std::optional<Box> next(const Image& frame);
  /// Where the face was last; none before the first was found.
  const std::optional<Box>& last() const { return box_; }

 private:
  std::optional<Box> find_near(const Image& frame, const Box& box) const;

  Find find_;
  Follow follow_;
  std::optional<Box> box_;
};

}  // namespace emo
