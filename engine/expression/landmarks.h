#pragma once

#include <span>
#include <vector>

#include "engine/backend/image.h"
#include "engine/expression/action_units.h"
#include "weights/model_file.h"

/// What a face's landmarks say: where it lies, how it leans, which action units it shows.
namespace emo {

/// A place in a picture in pixels, y down: the middle of the first pixel is (0.5, 0.5).
struct Point {
  float x = 0, y = 0;
};

/// The mean face and the fit of a reader's weight file. Thread-safe.
class FaceShape {
 public:
  explicit FaceShape(const ModelFile& reader);

  /// The box that the detector would give, turned as the face is rolled, from kFacePoints landmarks. It hangs on points that
  /// an expression hardly moves: the mean face is laid on them by a similarity (least squares, Umeyama 1991).
  Box box(std::span<const Point> landmarks) const;

  /// The AUs that the face shows, 0 to 1: non-negative least squares of what its points lie off the mean face (see
  /// tools/training/geometry.py, OwnExpression). The head's pose is taken out first, by the mean face's depth.
  ActionUnits aus(std::span<const Point> landmarks) const;

 private:
  const ReaderConfig& config_;
  const std::vector<float> mean_, fit_, gram_;  ///< (kFacePoints,3), (AUs,2*kSkinPoints), (AUs,AUs)
};

}  // namespace emo
