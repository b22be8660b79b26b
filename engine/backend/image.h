#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace emo {

/// How the bytes of a pixel lie.
enum class PixelOrder { kRgb, kBgr, kRgba, kBgra };

/// A picture in somebody else's memory: 8 bits a channel, interleaved, upright, rows `stride` bytes apart. A fourth channel
/// is neither read nor written.
template <typename Byte>
struct BasicImageView {
  Byte* data = nullptr;
  int width = 0, height = 0;
  std::ptrdiff_t stride = 0;
  PixelOrder order = PixelOrder::kRgb;

  /// Bytes from a pixel to the next.
  int step() const { return order == PixelOrder::kRgb || order == PixelOrder::kBgr ? 3 : 4; }
  bool bgr() const { return order == PixelOrder::kBgr || order == PixelOrder::kBgra; }
  Byte* pixel(int x, int y) const { return data + y * stride + std::ptrdiff_t(x) * step(); }
  operator BasicImageView<const Byte>() const { return {data, width, height, stride, order}; }
};
using ImageView = BasicImageView<const std::uint8_t>;
using MutableImageView = BasicImageView<std::uint8_t>;

/// An 8-bit RGB picture, row-major, interleaved, upright (EXIF orientation already applied).
struct Image {
  int width = 0, height = 0;
  std::vector<std::uint8_t> rgb;    ///< height * width * 3
  std::vector<std::uint8_t> alpha;  ///< height * width, or empty: opaque. Carried along untouched

  Image() = default;
  Image(int width, int height) : width(width), height(height), rgb(std::size_t(width) * height * 3) {}
  std::uint8_t* pixel(int x, int y) { return rgb.data() + (std::size_t(y) * width + x) * 3; }
  const std::uint8_t* pixel(int x, int y) const { return rgb.data() + (std::size_t(y) * width + x) * 3; }
  operator ImageView() const { return {rgb.data(), width, height, std::ptrdiff_t(width) * 3}; }
  operator MutableImageView() { return {rgb.data(), width, height, std::ptrdiff_t(width) * 3}; }
};

/// The opaque picture that shows a transparent one on white.
inline Image flattened(Image image) {
  for (std::size_t i = 0; i < image.alpha.size(); ++i) {
    for (std::size_t c = 0; c < 3; ++c) {
      std::uint8_t& v = image.rgb[3 * i + c];
      v = std::uint8_t((v * image.alpha[i] + 255 * (255 - image.alpha[i]) + 127) / 255);
    }
  }
  image.alpha.clear();
  return image;
}

/// A square of a picture in pixels: the left edge of its first column is x, its side may reach outside the picture. It is
/// turned about its middle by `roll`, radians: its rows run along (cos roll, sin roll), y pointing down.
struct Box {
  float x = 0, y = 0, side = 0;
  float roll = 0;
};

/// The crop that a model wants round a detector's box: the same centre, the side multiplied.
inline Box scaled(const Box& box, double scale) {
  const auto side = float(box.side * scale);
  return {box.x + (box.side - side) / 2, box.y + (box.side - side) / 2, side, box.roll};
}

/// How far apart two boxes are in place or size, in sides of the first.
inline float distance(const Box& a, const Box& b) {
  const float dx = a.x + a.side / 2 - b.x - b.side / 2, dy = a.y + a.side / 2 - b.y - b.side / 2;
  return std::max({std::abs(dx), std::abs(dy), std::abs(a.side - b.side)}) / a.side;
}

}  // namespace emo
