#include "engine/backend/shared/face_taps.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.h"

namespace emo {
namespace {

/// Half the filter's width, and its height at distance d from the centre; in units of max(1, step).
double radius(ResizeFilter filter) { return filter == ResizeFilter::kBicubic ? 2 : 1; }

double height(ResizeFilter filter, double d) {
  return filter == ResizeFilter::kBicubic ? cubic(d) : std::max(0., 1 - std::abs(d));
}

/// Pixels of a line of `size` whose centres lie inside [begin, begin + side).
std::pair<int, int> pixels_inside(double begin, double side, int size) {
  const auto pixel = [size](double edge) { return int(std::clamp(std::ceil(edge - 0.5), 0., double(size))); };
  return {pixel(begin), pixel(begin + side)};
}

std::vector<float> fade(int first, int count, double begin, double side) {
  std::vector<float> weights;
  for (int i = 0; i < count; ++i) {
    const double d = (first + i + 0.5 - begin) / side;
    weights.push_back(float(feather(std::min(d, 1 - d))));
  }
  return weights;
}

}  // namespace

Taps resample(int first, int count, double offset, double step, ResizeFilter filter, int size) {
  const bool area = filter == ResizeFilter::kArea && step > 1;
  const double unit = std::max(1., step), reach = area ? step / 2 : radius(filter) * unit;
  const auto inside = [size](double p) { return int(std::clamp(p, 0., size - 1.)); };
  Taps taps;
  taps.begin.push_back(0);
  std::vector<double> weights;
  for (int i = 0; i < count; ++i) {
    const double centre = offset + (first + i + 0.5) * step, from = centre - reach, to = centre + reach;
    const int pixel = inside(std::floor(from));
    weights.assign(inside(std::floor(to)) - pixel + 1, 0.);
    double sum = 0;
    for (double p = std::floor(from); p <= std::floor(to); ++p) {
      const double w =
          area ? std::max(0., std::min(p + 1, to) - std::max(p, from)) : height(filter, (p + 0.5 - centre) / unit);
      weights[inside(p) - pixel] += w;
      sum += w;
    }
    for (const double w : weights) taps.weights.push_back(float(w / sum));
    taps.first.push_back(pixel);
    taps.begin.push_back(int(taps.weights.size()));
  }
  return taps;
}

double feather(double d) {
  const double t = std::clamp(d / 0.1, 0., 1.);
  return t * t * (3 - 2 * t);
}

double cubic(double d) {
  d = std::abs(d);
  if (d < 1) return (1.5 * d - 2.5) * d * d + 1;
  return d < 2 ? ((-0.5 * d + 2.5) * d - 4) * d + 2 : 0;
}

void check_box(const char* where, const ImageView& photo, const Box& box, const Shape& face) {
  EMO_CHECK(photo.width > 0 && photo.height > 0, where, ": the photo is empty");
  constexpr float kFar = 1e6f;  // px; time and memory go with the side
  EMO_CHECK(std::abs(box.x) < kFar && std::abs(box.y) < kFar && box.side > 0 && box.side < kFar, where,
            ": the box has its corner at ", box.x, ",", box.y, " and a side of ", box.side,
            " px; a positive side is needed");
  EMO_CHECK(face.N == 1 && face.C == 3 && face.H == face.W && face.H > 0, where, ": the face has shape ", face,
            "; (1,3,S,S) is needed");
}

CropTaps crop_taps(const ImageView& photo, const Box& box, const GeneratorConfig& config, const Shape& face) {
  check_box("crop", photo, box, face);
  const double step = double(box.side) / face.W;
  const ResizeFilter filter = config.resize_filter;
  return {resample(0, face.W, box.x, step, filter, photo.width), resample(0, face.H, box.y, step, filter, photo.height)};
}

PasteTaps paste_taps(const ImageView& photo, const Box& box, const Shape& face) {
  check_box("paste", photo, box, face);
  const auto [left, right] = pixels_inside(box.x, box.side, photo.width);
  const auto [top, bottom] = pixels_inside(box.y, box.side, photo.height);
  const int W = right - left, H = bottom - top;
  if (W <= 0 || H <= 0) return {};
  const double step = face.W / double(box.side);
  return {left,
          top,
          resample(left, W, -box.x * step, step, ResizeFilter::kBicubic, face.W),
          resample(top, H, -box.y * step, step, ResizeFilter::kBicubic, face.H),
          fade(left, W, box.x, box.side),
          fade(top, H, box.y, box.side)};
}

void check(const FaceChange& face) {
  const Shape shape = face.before.shape, mask{1, 1, shape.H, shape.W};
  EMO_CHECK(face.after.shape == shape, "paste: the face was ", shape, " before and ", face.after.shape, " after");
  EMO_CHECK(face.mask.shape == mask, "paste: the mask has shape ", face.mask.shape, "; ", mask, " is needed");
}

}  // namespace emo
