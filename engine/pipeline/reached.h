#pragma once

#include <vector>

#include "engine/engine.h"

/// Faces that are looked at once they are redrawn.
namespace emo {

/// What a redrawn face shows, and how often the generator drew it.
struct Reached {
  ActionUnits au;  ///< as the face reader sees it, under the generator's names
  int passes = 1;
};

/// Drawing::passes of a face that is drawn again while that brings what the reader sees nearer to what was asked.
inline constexpr int kAutoPasses = 0;

/// Redraws faces of `photo` in it, and reads them there; `photo`, `cut` and `out` of the jobs are set here. With kAutoPasses
/// a face is drawn up to three times. Throws Error(kUsage) without a face reader, and as Engine::redraw_all().
std::vector<Reached> redraw_and_read(const Engine& engine, Image& photo, std::vector<FaceJob> jobs);

}  // namespace emo
