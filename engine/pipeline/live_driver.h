#pragma once

#include <optional>
#include <vector>

#include "engine/engine.h"
#include "engine/pipeline/face_tracker.h"

namespace emo {

/// A face before a camera that drives another one while it moves: its AUs as changes from its own resting face, as driving()
/// has them of a clip. The resting face is learned on the way, from the last frames.
class LiveDriver {
 public:
  /// The engine, which needs a face reader, must outlive it. Throws Error(kUsage) without a reader.
  explicit LiveDriver(const Engine& engine);
  /// What the other face is to show after this frame, under the generator's names; none when the frame shows no face.
  /// Throws Error(kModel) when an answer of the reader holds NaN or infinity.
  std::optional<ActionUnits> next(const Image& frame);

 private:
  const Engine& engine_;
  FaceTracker tracker_;
  std::vector<std::vector<float>> seen_;  ///< the last frames
  std::vector<float> smooth_;
};

}  // namespace emo
