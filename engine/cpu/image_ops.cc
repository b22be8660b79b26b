#include "engine/cpu/image_ops.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.h"

namespace emo {
namespace {

enum class Filter { kArea, kBilinear, kBicubic };

Filter filter_of(const GeneratorConfig& config) {
  if (config.resize_filter == "area") return Filter::kArea;
  return config.resize_filter == "bilinear" ? Filter::kBilinear : Filter::kBicubic;
}

/// Half the filter's width, and its height at distance d from the centre; in units of max(1, step).
double radius(Filter filter) { return filter == Filter::kBicubic ? 2 : 1; }

double height(Filter filter, double d) {
  d = std::abs(d);
  if (filter != Filter::kBicubic) return std::max(0., 1 - d);
  if (d < 1) return (1.5 * d - 2.5) * d * d + 1;  // Keys 1981, a = -0.5
  return d < 2 ? ((-0.5 * d + 2.5) * d - 4) * d + 2 : 0;
}

/// What one sample of the result takes from a line: weights of source[first], source[first + 1] ... that sum to 1.
struct Taps {
  int first;
  std::vector<float> weights;
};

/// Samples first .. first+count-1 of a line resampled in steps of `step`: sample i lies at offset + (i + 0.5) * step, in
/// coordinates where source pixel p covers [p, p+1). What a filter takes outside [0, size) is taken from the edge.
std::vector<Taps> resample(int first, int count, double offset, double step, Filter filter, int size) {
  const bool area = filter == Filter::kArea && step > 1;
  const double unit = std::max(1., step), reach = area ? step / 2 : radius(filter) * unit;
  const auto inside = [size](double p) { return int(std::clamp(p, 0., size - 1.)); };
  std::vector<Taps> line(count);
  for (int i = 0; i < count; ++i) {
    const double centre = offset + (first + i + 0.5) * step, from = centre - reach, to = centre + reach;
    Taps& taps = line[i];
    taps.first = inside(std::floor(from));
    std::vector<double> weights(inside(std::floor(to)) - taps.first + 1);
    double sum = 0;
    for (double p = std::floor(from); p <= std::floor(to); ++p) {
      const double w =
          area ? std::max(0., std::min(p + 1, to) - std::max(p, from)) : height(filter, (p + 0.5 - centre) / unit);
      weights[inside(p) - taps.first] += w;
      sum += w;
    }
    for (const double w : weights) taps.weights.push_back(float(w / sum));
  }
  return line;
}

void check_box(const char* where, const Image& photo, const Box& box, const Shape& face) {
  EMO_CHECK(photo.width > 0 && photo.height > 0, where, ": the photo is empty");
  constexpr float kFar = 1e6f;  // px; time and memory go with the side
  EMO_CHECK(std::abs(box.x) < kFar && std::abs(box.y) < kFar && box.side > 0 && box.side < kFar, where,
            ": the box has its corner at ", box.x, ",", box.y, " and a side of ", box.side,
            " px; a positive side is needed");
  EMO_CHECK(face.N == 1 && face.C == 3 && face.H == face.W && face.H > 0, where, ": the face has shape ", face,
            "; (1,3,S,S) is needed");
}

}  // namespace

void crop_face(const Image& photo, const Box& box, const GeneratorConfig& config, TensorView<float> face, ThreadPool& pool) {
  check_box("crop", photo, box, face.shape);
  const int S = face.shape.H;
  const double step = double(box.side) / S;
  const Filter filter = filter_of(config);
  const std::vector<Taps> columns = resample(0, S, box.x, step, filter, photo.width);
  const std::vector<Taps> rows = resample(0, S, box.y, step, filter, photo.height);
  const int top = rows.front().first, bottom = rows.back().first + int(rows.back().weights.size());

  // Across first: each row of the photo that is needed becomes S pixels.
  const HostBuffer<float> lines(std::size_t(bottom - top) * S * 3);
  pool.run(bottom - top, [&](int r, int) {
    float* line = lines.data() + std::size_t(r) * S * 3;
    for (int x = 0; x < S; ++x, line += 3) {
      const std::uint8_t* from = photo.pixel(columns[x].first, top + r);
      float sum[3] = {};
      for (const float w : columns[x].weights) {
        for (int c = 0; c < 3; ++c) sum[c] += w * from[c];
        from += 3;
      }
      std::copy_n(sum, 3, line);
    }
  });
  const bool bgr = config.channel_order == "bgr";
  const double scale = (config.pixel_max - config.pixel_min) / 255;
  pool.run(S, [&](int y, int) {
    std::vector<float> sum(std::size_t(S) * 3);
    const float* line = lines.data() + std::size_t(rows[y].first - top) * S * 3;
    for (const float w : rows[y].weights) {
      for (int i = 0; i < S * 3; ++i) sum[i] += w * line[i];
      line += S * 3;
    }
    for (int x = 0; x < S; ++x) {
      for (int c = 0; c < 3; ++c) {
        const double v = std::clamp(sum[x * 3 + c], 0.f, 255.f);
        face.data[(std::size_t(bgr ? 2 - c : c) * S + y) * S + x] = float(config.pixel_min + v * scale);
      }
    }
  });
}

namespace {

/// Weight of a paste at distance `d` from the box's border, in sides. A tenth fades, as fast as skin does not show it and
/// late enough for a mouth or brow near the border of a tight box.
double feather(double d) {
  const double t = std::clamp(d / 0.1, 0., 1.);
  return t * t * (3 - 2 * t);
}

/// Pixels of a line of `size` whose centres lie inside [begin, begin + side).
std::pair<int, int> pixels_inside(double begin, double side, int size) {
  const auto pixel = [size](double edge) { return int(std::clamp(std::ceil(edge - 0.5), 0., double(size))); };
  return {pixel(begin), pixel(begin + side)};
}

}  // namespace

void paste_face(Image& photo, const Box& box, const GeneratorConfig& config, const FaceChange& face, ThreadPool& pool) {
  const Shape& shape = face.before.shape;
  check_box("paste", photo, box, shape);
  EMO_CHECK(face.after.shape == shape, "paste: the face was ", shape, " before and ", face.after.shape, " after");
  const Shape mask_shape{1, 1, shape.H, shape.W};
  EMO_CHECK(face.mask.shape == mask_shape, "paste: the mask has shape ", face.mask.shape, "; ", mask_shape, " is needed");
  const int S = shape.H;
  const auto [left, right] = pixels_inside(box.x, box.side, photo.width);
  const auto [top, bottom] = pixels_inside(box.y, box.side, photo.height);
  const int W = right - left;
  if (W <= 0 || bottom <= top) return;
  const double step = S / double(box.side);
  const std::vector<Taps> columns = resample(left, W, -box.x * step, step, Filter::kBicubic, S);
  const std::vector<Taps> rows = resample(top, bottom - top, -box.y * step, step, Filter::kBicubic, S);
  const auto fade = [&](int pixel, double begin) {
    const double d = (pixel + 0.5 - begin) / box.side;
    return feather(std::min(d, 1 - d));
  };

  // Seven planes: the change and the face before in steps of the photo's 8 bits, and how much of the photo is replaced.
  const bool bgr = config.channel_order == "bgr", keeps = config.mask_keeps_image;
  const auto scale = float(255 / (config.pixel_max - config.pixel_min)), low = float(config.pixel_min);
  const std::size_t plane = shape.plane();
  const auto sample = [&](int k, std::size_t at) {
    if (k == 6) return keeps ? 1 - face.mask.data[at] : face.mask.data[at];
    const std::size_t from = std::size_t(bgr ? 2 - k % 3 : k % 3) * plane + at;
    return k < 3 ? (face.after.data[from] - face.before.data[from]) * scale : (face.before.data[from] - low) * scale;
  };
  // Across first: each row becomes as wide as the box.
  constexpr int kPlanes = 7;
  const HostBuffer<float> lines(std::size_t(S) * W * kPlanes);
  pool.run(S, [&](int y, int) {
    for (int k = 0; k < kPlanes; ++k) {
      float* line = lines.data() + std::size_t(y) * W * kPlanes + k;
      for (int x = 0; x < W; ++x) {
        float sum = 0;
        std::size_t from = std::size_t(y) * S + columns[x].first;
        for (const float w : columns[x].weights) sum += w * sample(k, from++);
        line[kPlanes * x] = sum;
      }
    }
  });
  std::vector<float> across(W);
  for (int x = 0; x < W; ++x) across[x] = float(fade(left + x, box.x));
  pool.run(bottom - top, [&](int r, int) {
    std::vector<float> sum(std::size_t(W) * kPlanes);
    const float* line = lines.data() + std::size_t(rows[r].first) * W * kPlanes;
    for (const float w : rows[r].weights) {
      for (int i = 0; i < W * kPlanes; ++i) sum[i] += w * line[i];
      line += W * kPlanes;
    }
    const auto down = float(fade(top + r, box.y));
    std::uint8_t* to = photo.pixel(left, top + r);
    for (int x = 0; x < W; ++x, to += 3) {
      const float* v = sum.data() + x * kPlanes;
      const float replaced = std::clamp(v[6], 0.f, 1.f), weight = down * across[x];
      for (int c = 0; c < 3; ++c) {
        const float detail = float(to[c]) - v[3 + c];
        to[c] = std::uint8_t(std::clamp(std::nearbyint(float(to[c]) + weight * (v[c] - replaced * detail)), 0.f, 255.f));
      }
    }
  });
}

}  // namespace emo
