#pragma once

#include "engine/backend/image.h"

namespace emo {

/// The picture with its long side scaled down to `side`, each pixel the mean of what it covers; as it is when it is not
/// larger. Without its alpha.
Image shrunk(Image image, int side);

}  // namespace emo
