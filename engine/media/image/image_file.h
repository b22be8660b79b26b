#pragma once

#include <filesystem>

#include "engine/media/media.h"
#include "engine/media/opencv/opencv_modules.h"
#include "engine/media/photo_decoder.h"

namespace emo {

/// See Media. `newer` opens the decoder for HEIC, AVIF and JPEG XL, `modules` that for WebP, TIFF and BMP; they are called
/// for those alone.
Image load_image(const std::filesystem::path& path, const ImageLimits& limits, const PhotoDecoder& (*newer)(),
                 OpenModules modules);
std::vector<std::uint8_t> encode_image(const std::filesystem::path& name, const Image& image, OpenModules modules);
void save_image(const std::filesystem::path& path, const Image& image, OpenModules modules);

}  // namespace emo
