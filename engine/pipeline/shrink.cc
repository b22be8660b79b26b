#include "engine/pipeline/shrink.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/backend/shared/face_taps.h"

namespace emo {

Image shrunk(Image image, int side) {
  const double step = double(std::max(image.width, image.height)) / side;
  if (step <= 1) return image;
  const auto scaled = [step](int pixels) { return std::max(1, int(std::lround(pixels / step))); };
  Image result(scaled(image.width), scaled(image.height));
  const auto line = [](int count, int size) {
    return resample(0, count, 0, double(size) / count, ResizeFilter::kArea, size);
  };
  const Taps columns = line(result.width, image.width), rows = line(result.height, image.height);
  std::vector<float> sums(std::size_t(image.width) * 3);  // a row of the result, still as wide as the image
  for (int y = 0; y < result.height; ++y) {
    std::ranges::fill(sums, 0.f);
    for (int k = rows.begin[y]; k < rows.begin[y + 1]; ++k) {
      const std::uint8_t* const from = image.pixel(0, rows.first[y] + k - rows.begin[y]);
      for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += rows.weights[k] * float(from[i]);
    }
    for (int x = 0; x < result.width; ++x) {
      float pixel[3] = {};
      for (int k = columns.begin[x]; k < columns.begin[x + 1]; ++k) {
        const float* const from = sums.data() + std::size_t(columns.first[x] + k - columns.begin[x]) * 3;
        for (int c = 0; c < 3; ++c) pixel[c] += columns.weights[k] * from[c];
      }
      for (int c = 0; c < 3; ++c) result.pixel(x, y)[c] = std::uint8_t(std::lround(pixel[c]));
    }
  }
  return result;
}

}  // namespace emo
