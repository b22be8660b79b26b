#pragma once

#include <cstddef>
#include <cstdint>
#include <opencv2/core.hpp>
#include <span>
#include <vector>

namespace emo {

/// JPEG by libjpeg, whose warnings go to stderr: grey, or BGR from colour and from Adobe's CMYK, whose inks are stored
/// inverted. Empty when it is damaged beyond use.
cv::Mat decode_jpeg(std::span<const std::byte> bytes);

/// BGR pixels at a quality of 1 to 100; false when they do not go into a JPEG.
bool encode_jpeg(const cv::Mat& bgr, int quality, std::vector<std::uint8_t>& encoded);

}  // namespace emo
