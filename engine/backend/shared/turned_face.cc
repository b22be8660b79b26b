#include "engine/backend/shared/turned_face.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "engine/backend/shared/face_taps.h"

namespace emo {
namespace {

/// A turned box's axes: places in the photo, and in the box from (0,0) at its first corner to (1,1).
class Axes {
 public:
  explicit Axes(const Box& box)
      : side_(box.side), x_(box.x + side_ / 2), y_(box.y + side_ / 2), cos_(std::cos(box.roll)), sin_(std::sin(box.roll)) {}

  struct Place {
    double x, y;
  };
  Place in_photo(double u, double v) const {
    const double right = (u - 0.5) * side_, down = (v - 0.5) * side_;
    return {x_ + cos_ * right - sin_ * down, y_ + sin_ * right + cos_ * down};
  }
  Place in_box(double x, double y) const {
    const double dx = x - x_, dy = y - y_;
    return {0.5 + (cos_ * dx + sin_ * dy) / side_, 0.5 + (cos_ * dy - sin_ * dx) / side_};
  }

 private:
  double side_, x_, y_, cos_, sin_;
};

/// Adds the photo's colours at a place, the edge repeated, to sum.
void add_nearest(const ImageView& photo, double x, double y, float* sum) {
  const std::uint8_t* p = photo.pixel(int(std::clamp(x, 0., photo.width - 1.)), int(std::clamp(y, 0., photo.height - 1.)));
  for (int c = 0; c < 3; ++c) sum[c] += p[c];
}

void add_linear(const ImageView& photo, double x, double y, float* sum) {
  x = std::clamp(x - 0.5, 0., photo.width - 1.), y = std::clamp(y - 0.5, 0., photo.height - 1.);
  const int left = int(x), top = int(y);
  const int right = std::min(left + 1, photo.width - 1), bottom = std::min(top + 1, photo.height - 1);
  const auto fx = float(x - left), fy = float(y - top);
  const std::uint8_t *a = photo.pixel(left, top), *b = photo.pixel(right, top), *c = photo.pixel(left, bottom),
                     *d = photo.pixel(right, bottom);
  for (int i = 0; i < 3; ++i) sum[i] += (1 - fy) * ((1 - fx) * a[i] + fx * b[i]) + fy * ((1 - fx) * c[i] + fx * d[i]);
}

}  // namespace

PixelArea pixels_under(const ImageView& photo, const Box& box) {
  // Of the square round a turned box: a centre on the border counts at its start, and not at its end.
  const double middle_x = double(box.x) + box.side / 2, middle_y = double(box.y) + box.side / 2;
  const double side = box.roll == 0 ? box.side : box.side * (std::abs(std::cos(box.roll)) + std::abs(std::sin(box.roll)));
  const auto pixel = [](double edge, int size) { return int(std::clamp(std::ceil(edge - 0.5), 0., double(size))); };
  const double x = box.roll == 0 ? box.x : middle_x - side / 2, y = box.roll == 0 ? box.y : middle_y - side / 2;
  return {pixel(x, photo.width), pixel(y, photo.height), pixel(x + side, photo.width), pixel(y + side, photo.height)};
}

void crop_turned(const ImageView& photo, const Box& box, const FaceFormat& format, TensorView<float> face,
                 const EachRow& rows) {
  check_box("crop", photo, box, face.shape);
  const Axes axes(box);
  const int S = face.shape.W, n = std::max(1, int(std::ceil(box.side / float(S) - 1e-3f)));
  const auto add = n <= 2 ? add_linear : add_nearest;
  const int red = format.bgr != photo.bgr() ? 2 : 0;
  const double scale = (format.high - format.low) / 255 / (n * n), step = 1. / (S * n);
  rows(S, [&](int y) {
    for (int x = 0; x < S; ++x) {
      float sum[3] = {};
      for (int j = 0; j < n; ++j) {
        for (int i = 0; i < n; ++i) {
          const auto at = axes.in_photo((x * n + i + 0.5) * step, (y * n + j + 0.5) * step);
          add(photo, at.x, at.y, sum);
        }
      }
      for (int c = 0; c < 3; ++c) {
        const int plane = c == 1 ? 1 : c ^ red;
        face.data[(std::size_t(plane) * S + y) * S + x] = float(format.low + sum[c] * scale);
      }
    }
  });
}

void paste_turned(const MutableImageView& photo, const Box& box, const GeneratorConfig& config, const FaceChange& face,
                  const EachRow& rows) {
  check_box("paste", photo, box, face.before.shape);
  check(face);
  const PixelArea area = pixels_under(photo, box);
  const Axes axes(box);
  const int S = face.before.shape.H;
  const FaceFormat format = format_of(config);

  // As in paste_face(): the change (3), the face before (3), how much of the photo is replaced, a zero.
  constexpr int kValues = 8;
  using Values = std::array<float, kValues>;
  const std::size_t plane = face.before.shape.plane();
  const auto scale = float(255 / (format.high - format.low)), low = float(format.low);
  std::vector<Values> pixels(plane);
  for (std::size_t i = 0; i < plane; ++i) {
    for (std::size_t c = 0; c < 3; ++c) {
      const std::size_t from = (format.bgr != photo.bgr() ? 2 - c : c) * plane + i;
      pixels[i][c] = (face.after.data[from] - face.before.data[from]) * scale;
      pixels[i][3 + c] = (face.before.data[from] - low) * scale;
    }
    pixels[i][6] = config.mask_keeps_image ? 1 - face.mask.data[i] : face.mask.data[i];
  }

  const double unit = std::max(1., S / double(box.side)), reach = 2 * unit;
  const int most = int(2 * reach) + 2;
  /// Weights of the face's pixels round place `at` of a row or column, its edge repeated; first pixel and their number.
  const auto taps = [&](double at, float* weights) {
    const int first = int(std::ceil(at - reach)), count = int(std::floor(at + reach)) - first + 1;
    float sum = 0;
    for (int k = 0; k < count; ++k) sum += weights[k] = float(cubic((first + k - at) / unit));
    for (int k = 0; k < count; ++k) weights[k] /= sum;
    return std::pair(first, count);
  };
  rows(area.bottom - area.top, [&](int row) {
    std::vector<float> across(most), down(most);
    const int y = area.top + row;
    for (int x = area.left; x < area.right; ++x) {
      const auto [u, v] = axes.in_box(x + 0.5, y + 0.5);
      const double weight = feather(std::min(u, 1 - u)) * feather(std::min(v, 1 - v));
      if (weight <= 0) continue;
      const auto [left, columns] = taps(u * S - 0.5, across.data());
      const auto [top, lines] = taps(v * S - 0.5, down.data());
      Values sum = {};
      for (int j = 0; j < lines; ++j) {
        const Values* line = &pixels[std::size_t(std::clamp(top + j, 0, S - 1)) * S];
        for (int i = 0; i < columns; ++i) {
          const float w = down[j] * across[i];
          const Values& from = line[std::clamp(left + i, 0, S - 1)];
          for (int k = 0; k < kValues; ++k) sum[k] += w * from[k];
        }
      }
      const float replaced = std::clamp(sum[6], 0.f, 1.f);
      std::uint8_t* to = photo.pixel(x, y);
      for (int c = 0; c < 3; ++c) {
        const float detail = float(to[c]) - sum[3 + c];
        const float shown = float(to[c]) + float(weight) * (sum[c] - replaced * detail);
        to[c] = std::uint8_t(std::lround(std::clamp(shown, 0.f, 255.f)));
      }
    }
  });
}

}  // namespace emo
