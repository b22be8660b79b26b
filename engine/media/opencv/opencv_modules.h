#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/media/file_kind.h"
#include "engine/media/media.h"

namespace cv {
class Mat;
}

namespace emo {

/// OpenCV's codecs for WebP, TIFF and BMP, and its fonts for figures. With all that they bring along they take 0.1 s to
/// load, as long as the rest of `run` on the sample: a plug-in (libemo_opencv.so), which the first of these opens.
/// Thread-safe.
class OpenCvModules {
 public:
  virtual ~OpenCvModules() = default;

  /// See decode_pixels, encode_pixels and Media::draw_table.
  virtual void decode(FileKind kind, std::span<const std::byte> bytes, const std::string& name, cv::Mat& pixels) const = 0;
  virtual bool encode(const std::string& extension, const cv::Mat& pixels, std::vector<std::uint8_t>& encoded) const = 0;
  virtual Image draw_table(const PictureTable& table) const = 0;
};

/// Loads libemo_opencv.so on the first call and keeps it. Throws Error(kDevice) when it is not installed, saying what to
/// install.
const OpenCvModules& opencv_modules();
using OpenModules = const OpenCvModules& (*)();

}  // namespace emo
