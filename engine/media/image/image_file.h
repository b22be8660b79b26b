#pragma once

#include <filesystem>

#include "engine/media/media.h"

namespace emo {

/// See Media.
Image load_image(const std::filesystem::path& path, const ImageLimits& limits);
std::vector<std::uint8_t> encode_image(const std::filesystem::path& name, const Image& image);
void save_image(const std::filesystem::path& path, const Image& image);

}  // namespace emo
