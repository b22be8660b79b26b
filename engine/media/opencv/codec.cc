// Pictures by OpenCV.
#include "engine/media/image/codec.h"

#include <algorithm>
#include <climits>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>

#include "base/error.h"

namespace emo {
namespace {

/// libtiff hands OpenCV 8-bit pixels multiplied by their alpha.
void divide_by_alpha(cv::Mat& bgra) {
  for (auto it = bgra.begin<cv::Vec4b>(); it != bgra.end<cv::Vec4b>(); ++it) {
    cv::Vec4b& p = *it;
    if (p[3] == 0 || p[3] == 255) continue;
    for (int c = 0; c < 3; ++c) p[c] = std::uint8_t(std::min(255, (p[c] * 255 + p[3] / 2) / p[3]));
  }
}

/// OpenCV takes the byte that pads a 32-bit BMP's pixel for alpha; where it only pads, it is 0.
void set_padding_opaque(cv::Mat& bgra) {
  const auto transparent = [](const cv::Vec4b& p) { return p[3] == 0; };
  if (std::all_of(bgra.begin<cv::Vec4b>(), bgra.end<cv::Vec4b>(), transparent)) {
    std::for_each(bgra.begin<cv::Vec4b>(), bgra.end<cv::Vec4b>(), [](cv::Vec4b& p) { p[3] = 255; });
  }
}

}  // namespace

cv::Mat decode_pixels(FileKind kind, std::span<const std::byte> bytes, const std::string& name) {
  if (bytes.size() > INT_MAX) {
    fail(ErrorKind::kInput, name, ": has ", bytes.size() >> 20, " MiB; pictures of up to 2 GiB are taken. Save it as PNG");
  }
  const cv::Mat encoded(1, int(bytes.size()), CV_8UC1, const_cast<std::byte*>(bytes.data()));
  cv::Mat pixels;
  try {
    pixels = cv::imdecode(encoded, cv::IMREAD_UNCHANGED);
  } catch (const cv::Exception&) {  // leaves pixels empty
  }
  if (pixels.type() == CV_8UC4 && kind == FileKind::kTiff) divide_by_alpha(pixels);
  if (pixels.type() == CV_8UC4 && kind == FileKind::kBmp) set_padding_opaque(pixels);
  return pixels;
}

bool encode_pixels(const std::string& extension, const cv::Mat& pixels, std::vector<std::uint8_t>& encoded) {
  // OpenCV's WebP would otherwise be lossless, several times the size.
  const std::vector<int> quality{cv::IMWRITE_JPEG_QUALITY, 95, cv::IMWRITE_WEBP_QUALITY, 95};
  try {
    return cv::imencode(extension, pixels, encoded, quality);
  } catch (const cv::Exception&) {
    return false;
  }
}

void set_codec(const PictureCodec&) {
  fail(ErrorKind::kDevice,
       "codec: this build reads and writes pictures by OpenCV; -DEMO_PYTHON=ON builds one that takes yours");
}

}  // namespace emo
