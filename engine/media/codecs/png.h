#pragma once

#include <cstddef>
#include <cstdint>
#include <opencv2/core.hpp>
#include <span>
#include <vector>

namespace emo {

/// PNG by libpng, whose warnings go to stderr: grey, BGR or BGRA, of 8 or 16 bits. Empty when it is damaged.
cv::Mat decode_png(std::span<const std::byte> bytes);

/// 8-bit BGR or BGRA pixels, packed fast rather than tight; false when they do not go into a PNG.
bool encode_png(const cv::Mat& pixels, std::vector<std::uint8_t>& encoded);

}  // namespace emo
