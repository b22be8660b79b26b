#pragma once

#include <string>
#include <vector>

#include "engine/media/media.h"

namespace emo {

/// See Media::find_faces.
std::vector<Box> find_faces(const Image& image, std::string* tried, const FaceSearch& search);

}  // namespace emo
