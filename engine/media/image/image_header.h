#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/media/file_kind.h"
#include "engine/media/media.h"

namespace emo {

/// What a picture file says about itself, read without decoding a pixel.
struct ImageHeader {
  FileKind kind = FileKind::kUnknown;
  std::int64_t width = 0, height = 0;  ///< as stored, before the orientation
  int orientation = 1;                 ///< EXIF 1..8: what to do with the stored pixels. TIFF: 1, OpenCV turns those itself
  std::vector<std::byte> profile;      ///< ICC; empty: none
  std::vector<std::byte> png;          ///< a PNG without the chunks that hold no pixels; other formats: empty
};

/// Reads the header of a JPEG, PNG, WebP, TIFF or BMP and walks the file far enough to know that it is all there: the
/// decoders return half a picture for a file that was cut. Bytes after the picture's end are nobody's business.
/// Throws Error(kInput) naming the file: other kinds, cut or damaged files, sizes beyond the limits, animations.
ImageHeader read_image_header(std::span<const std::byte> bytes, const std::string& name, const ImageLimits& limits);

}  // namespace emo
