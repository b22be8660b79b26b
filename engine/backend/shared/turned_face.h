#pragma once

#include <functional>

#include "base/point.h"
#include "base/tensor.h"
#include "engine/backend/backend.h"
#include "engine/backend/image.h"
#include "weights/config.h"

/// Faces under a turned box, cut upright out of their photo and put back turned. The host does it for every backend: few
/// faces are turned, and a general resampling has no rows and columns to share.
namespace emo {

/// What a pixel's 0 and 255 become, and in which order its colours lie.
struct FaceFormat {
  double low = -1, high = 1;
  bool bgr = false;
};
inline FaceFormat format_of(const GeneratorConfig& config) {
  return {config.pixel_min, config.pixel_max, config.channel_order == ChannelOrder::kBgr};
}

/// Calls row(0) .. row(count - 1), in any order or at the same time.
using EachRow = std::function<void(int count, const std::function<void(int)>& row)>;
inline void row_by_row(int count, const std::function<void(int)>& row) {
  for (int y = 0; y < count; ++y) row(y);
}

/// All pixels whose centres lie in the box, within the smallest such area; none when the box lies outside the photo.
PixelArea pixels_under(const ImageView& photo, const Box& box);

/// Backend::crop for any box, into (1,3,S,S). A face pixel is the mean of n x n samples of the photo, n being its side in
/// photo pixels rounded up: interpolated linearly to n = 2, the nearest pixels beyond. Throws as Backend::crop does.
void crop_turned(const ImageView& photo, const Box& box, const FaceFormat& format, TensorView<float> face,
                 const EachRow& rows);

/// Backend::paste for any box; the formula is paste_face()'s, the cubic runs along the face's axes. Throws as
/// Backend::paste does.
void paste_turned(const MutableImageView& photo, const Box& box, const GeneratorConfig& config, const FaceChange& face,
                  const EachRow& rows);

}  // namespace emo
