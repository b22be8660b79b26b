#pragma once

#include "engine/media/header_reader.h"
#include "engine/media/photo_decoder.h"

namespace emo {

/// HEIC and AVIF through libheif; irot and imir turn the picture, so that its EXIF does not. See PhotoDecoder.
DecodedPhoto decode_heif(const HeaderReader& in, const ImageLimits& limits);
/// JPEG XL through libjxl. See PhotoDecoder.
DecodedPhoto decode_jxl(const HeaderReader& in, const ImageLimits& limits);

/// A film's brightness: 8 bits of sRGB cannot hold it, and what a viewer makes of it is a matter of taste.
[[noreturn]] inline void refuse_hdr(const HeaderReader& in) {
  in.refused("is in HDR (PQ or HLG); an SDR picture is needed. Export it as JPEG");
}

/// RGB or RGBA rows, `stride` bytes from one to the next, as an Image; colours that were multiplied by alpha are divided.
Image to_image(const std::uint8_t* pixels, std::size_t stride, int width, int height, int channels, bool multiplied);

}  // namespace emo
