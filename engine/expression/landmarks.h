#pragma once

#include <span>
#include <vector>

#include "base/point.h"
#include "engine/backend/image.h"
#include "weights/model_file.h"

/// Where a face lies and how it leans, from its landmarks.
namespace emo {

/// FaceMesh's numbers of points that an expression hardly moves: they carry the head's pose.
inline constexpr int kRigidPoints[] = {33, 133, 362, 263, 168, 6,  197, 195, 5,   4,  1,   2,  98,  327, 10, 151,
                                       9,  234, 454, 127, 356, 93, 323, 172, 397, 54, 284, 67, 297, 109, 338};

/// The mean face of a reader's weight file. Thread-safe.
class FaceShape {
 public:
  explicit FaceShape(const ModelFile& reader);

  /// The box that the detector would give, turned as the face is rolled, from kFacePoints landmarks. It hangs on points that
  /// an expression hardly moves: the mean face is laid on them by a similarity (least squares, Umeyama 1991).
  Box box(std::span<const Point> landmarks) const;

 private:
  const ReaderConfig& config_;
  const std::vector<float> mean_;  ///< (kFacePoints,2)
};

}  // namespace emo
