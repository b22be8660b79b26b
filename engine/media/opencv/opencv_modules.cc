#include "engine/media/opencv/opencv_modules.h"

#include <algorithm>
#include <climits>
#include <opencv2/core.hpp>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/imgcodecs.hpp>

#include "base/error.h"
#include "engine/media/opencv/picture_table.h"
#include "engine/plugin.h"

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

class Modules final : public OpenCvModules {
 public:
  Modules() {
    cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);  // errors are ours to tell, in one line
    cv::setNumThreads(1);  // nothing here is large enough for OpenCV's own threads
  }
  void decode(FileKind kind, std::span<const std::byte> bytes, const std::string& name, cv::Mat& pixels) const override {
    if (bytes.size() > INT_MAX) {
      fail(ErrorKind::kInput, name, ": has ", bytes.size() >> 20, " MiB; pictures of up to 2 GiB are taken. Save it as PNG");
    }
    const cv::Mat encoded(1, int(bytes.size()), CV_8UC1, const_cast<std::byte*>(bytes.data()));
    try {
      pixels = cv::imdecode(encoded, cv::IMREAD_UNCHANGED);
    } catch (const cv::Exception&) {  // leaves pixels empty
    }
    if (pixels.type() == CV_8UC4 && kind == FileKind::kTiff) divide_by_alpha(pixels);
    if (pixels.type() == CV_8UC4 && kind == FileKind::kBmp) set_padding_opaque(pixels);
  }
  bool encode(const std::string& extension, const cv::Mat& pixels, std::vector<std::uint8_t>& encoded) const override {
    // OpenCV's WebP would otherwise be lossless, several times the size.
    const std::vector<int> quality{cv::IMWRITE_WEBP_QUALITY, 95};
    try {
      return cv::imencode(extension, pixels, encoded, quality);
    } catch (const cv::Exception&) {
      return false;
    }
  }
  Image draw_table(const PictureTable& table) const override { return emo::draw_table(table); }
};

}  // namespace
}  // namespace emo

/// What engine/media/media_library.cc looks up.
EMO_PLUGIN const emo::OpenCvModules* emo_opencv_v1() {
  static const emo::Modules modules;
  return &modules;
}
