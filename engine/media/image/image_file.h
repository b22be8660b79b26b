#pragma once

#include <filesystem>

#include "engine/media/media.h"

namespace emo {

/// See Media::load_image and Media::save_image.
Image load_image(const std::filesystem::path& path, const ImageLimits& limits);
void save_image(const std::filesystem::path& path, const Image& image);

}  // namespace emo
