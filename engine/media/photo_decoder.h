#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "engine/media/file_kind.h"
#include "engine/media/media.h"

namespace emo {

/// Colours as video standards number them. Source: ITU-T H.273, tables 2 and 3; 2 is "not said".
struct ColorCodes {
  int primaries = 2, transfer = 2;
};

struct DecodedPhoto {
  Image image;                     ///< upright, alpha not multiplied in, colours as stored
  std::vector<std::byte> profile;  ///< ICC; empty: the codes hold
  ColorCodes codes;
};

/// The pictures that OpenCV does not read: HEIC, AVIF and JPEG XL. Their libraries live in a plug-in of their own
/// (libemo_photos.so), which the first such picture opens. Thread-safe.
class PhotoDecoder {
 public:
  virtual ~PhotoDecoder() = default;

  /// Decodes one picture whose kind its first bytes told; more than 8 bits are rounded to 8. The size is checked before
  /// pixels are decoded. Throws Error(kInput) with `name`, the file's path: see Media::load_image().
  virtual DecodedPhoto decode(FileType type, std::span<const std::byte> bytes, const std::string& name,
                              const ImageLimits& limits) const = 0;

  /// "libheif 1.15.1 (HEIC, AVIF), libjxl 0.7.0 (JPEG XL)"
  virtual std::string describe() const = 0;
};

/// Loads libemo_photos.so on the first call and keeps it. Throws Error(kDevice) when it is not installed, saying what to
/// install.
const PhotoDecoder& photo_decoder();

}  // namespace emo
