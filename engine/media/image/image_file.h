#pragma once

#include <filesystem>

#include "engine/media/media.h"
#include "engine/media/photo_decoder.h"

namespace emo {

/// See Media. `newer` opens the decoder for HEIC, AVIF and JPEG XL; it is called for those alone.
Image load_image(const std::filesystem::path& path, const ImageLimits& limits, const PhotoDecoder& (*newer)());
std::vector<std::uint8_t> encode_image(const std::filesystem::path& name, const Image& image);
void save_image(const std::filesystem::path& path, const Image& image);

}  // namespace emo
