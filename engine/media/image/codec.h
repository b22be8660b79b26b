#pragma once

#include <cstddef>
#include <cstdint>
#include <opencv2/core.hpp>
#include <span>
#include <string>
#include <vector>

#include "engine/media/file_kind.h"
#include "engine/media/media.h"
#include "engine/media/opencv/opencv_modules.h"

namespace emo {

/// The pixels of a JPEG, PNG, WebP, TIFF or BMP whose header was read: grey, BGR or BGRA as stored, not turned upright,
/// alpha not multiplied in; of 8 or 16 bits. Empty when the file is damaged or of a rare kind. `name` is for errors.
/// `modules` opens OpenCV's codecs; it is called where they are needed.
cv::Mat decode_pixels(FileKind kind, std::span<const std::byte> bytes, const std::string& name, OpenModules modules);

/// The file that 8-bit BGR or BGRA pixels make, by an extension of kPictureExtensions; false when they do not go into one.
/// JPEG and WebP at quality 95 of 100: nobody sees the loss.
bool encode_pixels(const std::string& extension, const cv::Mat& pixels, std::vector<std::uint8_t>& encoded,
                   OpenModules modules);

/// See Media::set_codec().
void set_codec(const PictureCodec& codec);

}  // namespace emo
