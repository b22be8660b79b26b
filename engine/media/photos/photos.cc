#include <jxl/decode.h>
#include <libheif/heif.h>

#include <algorithm>

#include "engine/media/photos/formats.h"
#include "engine/plugin.h"

namespace emo {

Image to_image(const std::uint8_t* pixels, std::size_t stride, int width, int height, int channels, bool multiplied) {
  Image image(width, height);
  if (channels == 4) image.alpha.resize(std::size_t(width) * height);
  for (int y = 0; y < height; ++y) {
    const std::uint8_t* from = pixels + std::size_t(y) * stride;
    for (int x = 0; x < width; ++x, from += channels) {
      std::uint8_t* to = image.pixel(x, y);
      const int alpha = channels == 4 ? from[3] : 255;
      const bool divide = multiplied && alpha != 0;
      for (int c = 0; c < 3; ++c)
        to[c] = divide ? std::uint8_t(std::min(255, (from[c] * 255 + alpha / 2) / alpha)) : from[c];
      if (channels == 4) image.alpha[std::size_t(y) * width + x] = std::uint8_t(alpha);
    }
  }
  if (std::ranges::all_of(image.alpha, [](std::uint8_t a) { return a == 255; })) image.alpha.clear();
  return image;
}

namespace {

class PhotoLibraries final : public PhotoDecoder {
 public:
  DecodedPhoto decode(FileType type, std::span<const std::byte> bytes, const std::string& name,
                      const ImageLimits& limits) const override {
    const HeaderReader in(bytes, name, type.noun());
    return type.kind == FileKind::kJxl ? decode_jxl(in, limits) : decode_heif(in, limits);
  }
  std::string describe() const override {
    const auto jxl = JxlDecoderVersion();  // 7001 is 0.7.1
    return concat("libheif ", heif_get_version(), " (HEIC, AVIF), libjxl ", jxl / 1000000, ".", jxl / 1000 % 1000, ".",
                  jxl % 1000, " (JPEG XL)");
  }
};

}  // namespace
}  // namespace emo

/// What engine/media/media_library.cc looks up.
EMO_PLUGIN const emo::PhotoDecoder* emo_photos_v1() {
  static const emo::PhotoLibraries libraries;
  return &libraries;
}
