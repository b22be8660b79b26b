#pragma once

#include <string>
#include <vector>

#include "engine/image.h"

namespace emo {

/// See Media::find_faces.
std::vector<Box> find_faces(const Image& image, std::string* tried, int most_looks);

}  // namespace emo
