#pragma once

#include <span>
#include <vector>

#include "engine/engine.h"

/// One face shown with many expressions, for the figures that sweep and strengths draw.
namespace emo::cli {

/// A face cut out of its photo with some room round it, so that many copies cost little.
struct Portrait {
  Image picture;
  Box face;  ///< the detector's box within `picture`

  /// A square of 1.5 times the face's side, moved and shrunk to lie within the photo.
  Portrait(const Image& photo, const Box& detected);
  /// The picture with each of these expressions, drawn in so many passes.
  std::vector<Image> with(const Engine& engine, std::span<const ActionUnits> expressions, int passes) const;
};

}  // namespace emo::cli
