#include "engine/media/image/image_file.h"

#include <algorithm>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <string>
#include <utility>

#include "base/file.h"
#include "base/text.h"
#include "engine/media/image/codec.h"
#include "engine/media/image/color_profile.h"
#include "engine/media/image/image_header.h"

namespace emo {
namespace {

/// Turns stored pixels upright. OpenCV does so only for flags that drop alpha and 16 bits.
/// Source: EXIF 2.32, tag 0x0112.
void orient(cv::Mat& pixels, int orientation) {
  if (orientation >= 5) cv::transpose(pixels, pixels);
  switch (orientation) {
    case 2:
    case 6: cv::flip(pixels, pixels, 1); break;  // left and right change places
    case 3:
    case 7: cv::flip(pixels, pixels, -1); break;  // both
    case 4:
    case 8: cv::flip(pixels, pixels, 0); break;  // top and bottom
  }
}

/// 8-bit grey, BGR or BGRA to an Image.
Image to_image(const cv::Mat& pixels) {
  Image image(pixels.cols, pixels.rows);
  cv::Mat rgb(pixels.rows, pixels.cols, CV_8UC3, image.rgb.data());
  const int channels = pixels.channels();
  cv::cvtColor(pixels, rgb, channels == 1 ? cv::COLOR_GRAY2RGB : channels == 3 ? cv::COLOR_BGR2RGB : cv::COLOR_BGRA2RGB);
  if (channels == 4) {
    image.alpha.resize(std::size_t(image.width) * image.height);
    cv::Mat alpha(pixels.rows, pixels.cols, CV_8UC1, image.alpha.data());
    cv::extractChannel(pixels, alpha, 3);
    if (std::ranges::all_of(image.alpha, [](std::uint8_t a) { return a == 255; })) image.alpha.clear();
  }
  return image;
}

cv::Mat to_pixels(const Image& image, bool with_alpha) {
  if (!with_alpha && !image.alpha.empty()) return to_pixels(flattened(image), with_alpha);
  const cv::Mat rgb(image.height, image.width, CV_8UC3, const_cast<std::uint8_t*>(image.rgb.data()));
  cv::Mat pixels;
  if (image.alpha.empty()) {
    cv::cvtColor(rgb, pixels, cv::COLOR_RGB2BGR);
  } else {
    cv::cvtColor(rgb, pixels, cv::COLOR_RGB2BGRA);
    cv::insertChannel(cv::Mat(image.height, image.width, CV_8UC1, const_cast<std::uint8_t*>(image.alpha.data())), pixels, 3);
  }
  return pixels;
}

}  // namespace

Image load_image(const std::filesystem::path& path, const ImageLimits& limits, const PhotoDecoder& (*newer)(),
                 OpenModules modules) {
  const std::string name = path.string();
  const MappedFile file(path, ErrorKind::kInput);
  const FileType type = file_type(file.bytes());
  if (type.kind == FileKind::kHeic || type.kind == FileKind::kAvif || type.kind == FileKind::kJxl) {
    DecodedPhoto photo = newer().decode(type, file.bytes(), name, limits);
    if (photo.profile.empty()) {
      to_srgb(photo.image, photo.codes);
    } else {
      to_srgb(photo.image, photo.profile);
    }
    return std::move(photo.image);
  }
  const ImageHeader header = read_image_header(file.bytes(), name, limits);
  const std::span<const std::byte> bytes = header.png.empty() ? file.bytes() : std::span<const std::byte>(header.png);
  cv::Mat pixels = decode_pixels(header.kind, bytes, name, modules);
  if (pixels.empty()) {
    fail(ErrorKind::kInput, name,
         ": its pixels cannot be decoded; the file is damaged or of a rare kind. Save it anew as PNG");
  }
  if (pixels.depth() == CV_16U) {
    pixels.convertTo(pixels, CV_8U, 1 / 257.0);  // 65535 is 255
  } else if (pixels.depth() != CV_8U) {
    fail(ErrorKind::kInput, name, ": has pixels of type ", cv::typeToString(pixels.type()),
         "; 8 or 16 bits without sign are needed. Save it as PNG");
  }
  orient(pixels, header.orientation);
  Image image = to_image(pixels);
  if (pixels.channels() >= 3) to_srgb(image, header.profile);
  return image;
}

std::vector<std::uint8_t> encode_image(const std::filesystem::path& name, const Image& image, OpenModules modules) {
  EMO_CHECK(image.width > 0 && image.height > 0 && image.rgb.size() == std::size_t(image.width) * image.height * 3,
            "encode_image: ", image.width, "x", image.height, " with ", image.rgb.size(), " bytes");
  const std::string extension = known_extension("output", name, kPictureExtensions);
  const auto is = [&](auto... names) { return ((extension == names) || ...); };
  std::vector<std::uint8_t> encoded;
  const bool done = encode_pixels(extension, to_pixels(image, is(".png", ".webp", ".tif", ".tiff")), encoded, modules);
  if (!done) {
    fail(ErrorKind::kInput, "output: ", name.string(), ": a picture of ", image.width, "x", image.height,
         " does not go into ", extension, "; write a .png");
  }
  return encoded;
}

void save_image(const std::filesystem::path& path, const Image& image, OpenModules modules) {
  known_extension("output", path, kPictureExtensions);
  OutputFile out(path);  // a folder that cannot be written to is told before the picture is encoded
  const std::vector<std::uint8_t> encoded = encode_image(path, image, modules);
  out.write(std::as_bytes(std::span(encoded)));
  out.commit();
}

}  // namespace emo
