#include "engine/c_api/images.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/limits.h"
#include "engine/c_api/guard.h"

namespace emo::c_api {

MutableImageView view_of(const emo_image* image, const char* name) {
  const emo_image& given = needed(image, name);
  if (!given.pixels) refuse("`", name, ".pixels`: NULL came; a picture is needed");
  for (const int side : {given.width, given.height}) {
    if (side < 1 || side > limits::kMaxImageSide) {
      refuse("`", name, "`: a picture of ", given.width, "x", given.height, " came; 1 to ", limits::kMaxImageSide,
             " px a side are taken");
    }
  }
  if (given.format < EMO_RGB8 || given.format > EMO_BGRA8) {
    refuse("`", name, ".format`: ", given.format, " came; EMO_RGB8 to EMO_BGRA8 are known");
  }
  if (given.memory != 0) refuse("`", name, ".memory`: ", given.memory, " came; only 0, the processor's, is taken");
  MutableImageView view{static_cast<std::uint8_t*>(given.pixels), given.width, given.height, given.stride,
                        PixelOrder(given.format)};
  const std::ptrdiff_t row_bytes = std::ptrdiff_t(given.width) * view.step();
  if (view.stride == 0) view.stride = row_bytes;
  if (view.stride < row_bytes) {
    refuse("`", name, ".stride`: ", given.stride, " came; 0, or at least the ", row_bytes, " bytes of a row are needed");
  }
  return view;
}

Image image_of(const emo_image* image, const char* name) {
  const ImageView from = view_of(image, name);
  Image copy(from.width, from.height);
  copy_pixels(from, copy);
  if (from.step() == 3) return copy;
  copy.alpha.reserve(std::size_t(from.width) * std::size_t(from.height));
  for (int y = 0; y < from.height; ++y) {
    for (int x = 0; x < from.width; ++x) copy.alpha.push_back(from.pixel(x, y)[3]);
  }
  return copy;
}

void copy_pixels(const ImageView& from, const MutableImageView& to) {
  const bool swapped = from.bgr() != to.bgr();
  for (int y = 0; y < from.height; ++y) {
    const std::uint8_t* source = from.pixel(0, y);
    std::uint8_t* target = to.pixel(0, y);
    if (from.order == to.order) {
      std::memcpy(target, source, std::size_t(from.width) * std::size_t(from.step()));
      continue;
    }
    for (int x = 0; x < from.width; ++x, source += from.step(), target += to.step()) {
      target[0] = source[swapped ? 2 : 0];
      target[1] = source[1];
      target[2] = source[swapped ? 0 : 2];
      if (to.step() == 4) target[3] = from.step() == 4 ? source[3] : 255;
    }
  }
}

Box box_of(const emo_box& box, const char* name) {
  const bool finite = std::isfinite(box.x) && std::isfinite(box.y) && std::isfinite(box.side) && std::isfinite(box.roll);
  if (!finite || box.side <= 0) {
    refuse("`", name, "`: a square at ", box.x, ", ", box.y, " of side ", box.side, ", turned by ", box.roll,
           ", came; finite numbers and a side above 0 are needed");
  }
  return {box.x, box.y, box.side, box.roll};
}

Drawing drawing_of(std::int32_t relative, std::int32_t passes, std::int32_t detail) {
  if (passes < 0 || passes > limits::kMaxPasses) {
    refuse("`passes`: ", passes, " came; 1 to ", limits::kMaxPasses, " are possible");
  }
  Drawing drawing{.relative = relative != 0, .passes = std::max(1, passes)};
  switch (detail) {
    case EMO_DETAIL_AUTO: drawing.detail = Detail::kAuto; break;
    case EMO_DETAIL_SHARP: drawing.detail = Detail::kSharp; break;
    case EMO_DETAIL_NETWORK: drawing.detail = Detail::kNetwork; break;
    default: refuse("`detail`: ", detail, " came; EMO_DETAIL_AUTO, EMO_DETAIL_SHARP or EMO_DETAIL_NETWORK is needed");
  }
  return drawing;
}

emo_box box_of(const Box& box) { return {box.x, box.y, box.side, box.roll}; }

}  // namespace emo::c_api
