#pragma once

#include <string>
#include <vector>

#include "engine/engine.h"

namespace emo {

/// Which of a photo's faces: the n-th largest, or all.
struct FaceChoice {
  bool all = false;
  int number = 1;     ///< from 1, the largest
  double min_px = 0;  ///< least face that is looked for where not just the largest is wanted, px; 0: as find_faces() says
};

/// The boxes of the chosen faces; see find_faces(). Throws Error(kInput) naming the photo's file and what was tried when
/// there is none, or fewer than the number asked for.
std::vector<Box> choose_faces(const Engine& engine, const Image& photo, const std::string& file, const FaceChoice& choice);

}  // namespace emo
