#include "engine/cpu/image_ops.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/shared/face_taps.h"

namespace emo {

void crop_face(const Image& photo, const Box& box, const GeneratorConfig& config, TensorView<float> face, ThreadPool& pool) {
  const auto [columns, rows] = crop_taps(photo, box, config, face.shape);
  const int S = face.shape.H, top = rows.from(), bottom = rows.to();

  // Across first: each row of the photo that is needed becomes S pixels.
  const HostBuffer<float> lines(std::size_t(bottom - top) * S * 3);
  pool.run(bottom - top, [&](int r, int) {
    float* line = lines.data() + std::size_t(r) * S * 3;
    for (int x = 0; x < S; ++x, line += 3) {
      const std::uint8_t* from = photo.pixel(columns.first[x], top + r);
      float sum[3] = {};
      for (int k = columns.begin[x]; k < columns.begin[x + 1]; ++k, from += 3) {
        for (int c = 0; c < 3; ++c) sum[c] += columns.weights[k] * from[c];
      }
      std::copy_n(sum, 3, line);
    }
  });
  const bool bgr = config.channel_order == "bgr";
  const double scale = (config.pixel_max - config.pixel_min) / 255;
  pool.run(S, [&](int y, int) {
    std::vector<float> sum(std::size_t(S) * 3);
    const float* line = lines.data() + std::size_t(rows.first[y] - top) * S * 3;
    for (int k = rows.begin[y]; k < rows.begin[y + 1]; ++k, line += S * 3) {
      for (int i = 0; i < S * 3; ++i) sum[i] += rows.weights[k] * line[i];
    }
    for (int x = 0; x < S; ++x) {
      for (int c = 0; c < 3; ++c) {
        const double v = std::clamp(sum[x * 3 + c], 0.f, 255.f);
        face.data[(std::size_t(bgr ? 2 - c : c) * S + y) * S + x] = float(config.pixel_min + v * scale);
      }
    }
  });
}

void paste_face(Image& photo, const Box& box, const GeneratorConfig& config, const FaceChange& face, ThreadPool& pool) {
  const Shape& shape = face.before.shape;
  const PasteTaps taps = paste_taps(photo, box, shape);
  check(face);
  const int S = shape.H, W = taps.W(), H = taps.H();
  if (W == 0) return;

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
  const Taps &columns = taps.columns, &rows = taps.rows;
  const HostBuffer<float> lines(std::size_t(S) * W * kPlanes);
  pool.run(S, [&](int y, int) {
    for (int p = 0; p < kPlanes; ++p) {
      float* line = lines.data() + std::size_t(y) * W * kPlanes + p;
      for (int x = 0; x < W; ++x) {
        float sum = 0;
        std::size_t from = std::size_t(y) * S + columns.first[x];
        for (int k = columns.begin[x]; k < columns.begin[x + 1]; ++k) sum += columns.weights[k] * sample(p, from++);
        line[kPlanes * x] = sum;
      }
    }
  });
  pool.run(H, [&](int r, int) {
    std::vector<float> sum(std::size_t(W) * kPlanes);
    const float* line = lines.data() + std::size_t(rows.first[r]) * W * kPlanes;
    for (int k = rows.begin[r]; k < rows.begin[r + 1]; ++k, line += W * kPlanes) {
      for (int i = 0; i < W * kPlanes; ++i) sum[i] += rows.weights[k] * line[i];
    }
    std::uint8_t* to = photo.pixel(taps.left, taps.top + r);
    for (int x = 0; x < W; ++x, to += 3) {
      const float* v = sum.data() + x * kPlanes;
      const float replaced = std::clamp(v[6], 0.f, 1.f), weight = taps.down[r] * taps.across[x];
      for (int c = 0; c < 3; ++c) {
        const float detail = float(to[c]) - v[3 + c];
        to[c] = std::uint8_t(std::clamp(std::nearbyint(float(to[c]) + weight * (v[c] - replaced * detail)), 0.f, 255.f));
      }
    }
  });
}

}  // namespace emo
