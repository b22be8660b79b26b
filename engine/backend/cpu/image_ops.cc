#include "engine/backend/cpu/image_ops.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/backend/shared/face_taps.h"

namespace emo {

void crop_face(const ImageView& photo, const Box& box, const GeneratorConfig& config, TensorView<float> face,
               ThreadPool& pool) {
  const auto [columns, rows] = crop_taps(photo, box, config, face.shape);
  const int S = face.shape.H, top = rows.from(), bottom = rows.to(), step = photo.step(), red = photo.bgr() ? 2 : 0;

  // Across first: each row of the photo that is needed becomes S pixels.
  const HostBuffer<float> lines(std::size_t(bottom - top) * S * 3);
  pool.run(bottom - top, [&](int r, int) {
    float* line = lines.data() + std::size_t(r) * S * 3;
    for (int x = 0; x < S; ++x, line += 3) {
      const std::uint8_t* from = photo.pixel(columns.first[x], top + r);
      float sum[3] = {};
      for (int k = columns.begin[x]; k < columns.begin[x + 1]; ++k, from += step) {
        for (int c = 0; c < 3; ++c) sum[c] += columns.weights[k] * from[c];
      }
      line[0] = sum[red], line[1] = sum[1], line[2] = sum[2 - red];
    }
  });
  const bool bgr = config.channel_order == ChannelOrder::kBgr;
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

void paste_face(const MutableImageView& photo, const Box& box, const GeneratorConfig& config, const FaceChange& face,
                ThreadPool& pool) {
  const Shape& shape = face.before.shape;
  const PasteTaps taps = paste_taps(photo, box, shape);
  check(face);
  const int S = shape.H, W = taps.W(), H = taps.H(), step = photo.step();
  if (W == 0) return;

  // Side by side for each pixel: the change (3) and the face before (3) in steps of the photo's 8 bits, how much of the
  // photo is replaced, and a zero, which makes them a vector.
  constexpr int kValues = 8;
  const bool bgr = (config.channel_order == ChannelOrder::kBgr) != photo.bgr(), keeps = config.mask_keeps_image;
  const auto scale = float(255 / (config.pixel_max - config.pixel_min)), low = float(config.pixel_min);
  const std::size_t plane = shape.plane();
  const HostBuffer<float> small(plane * kValues), lines(std::size_t(S) * W * kValues);
  const Taps &columns = taps.columns, &rows = taps.rows;
  pool.run(S, [&](int y, int) {
    float* pixels = small.data() + std::size_t(y) * S * kValues;
    for (int x = 0; x < S; ++x) {
      const std::size_t at = std::size_t(y) * S + x;
      float* v = pixels + x * kValues;
      for (std::size_t c = 0; c < 3; ++c) {
        const std::size_t from = (bgr ? 2 - c : c) * plane + at;
        v[c] = (face.after.data[from] - face.before.data[from]) * scale;
        v[3 + c] = (face.before.data[from] - low) * scale;
      }
      v[6] = keeps ? 1 - face.mask.data[at] : face.mask.data[at];
      v[7] = 0;
    }
    // Across first: each row becomes as wide as the box.
    float* line = lines.data() + std::size_t(y) * W * kValues;
    for (int x = 0; x < W; ++x, line += kValues) {
      float sum[kValues] = {};
      const float* from = pixels + columns.first[x] * kValues;
      for (int k = columns.begin[x]; k < columns.begin[x + 1]; ++k, from += kValues) {
        for (int i = 0; i < kValues; ++i) sum[i] += columns.weights[k] * from[i];
      }
      std::copy_n(sum, kValues, line);
    }
  });
  constexpr float kWhole = 0x1.8p23f;  // added and taken away: to the nearest, ties to even; nearbyint() would be a call
  pool.run(H, [&](int r, int) {
    std::vector<float> sum(std::size_t(W) * kValues);
    const float* line = lines.data() + std::size_t(rows.first[r]) * W * kValues;
    for (int k = rows.begin[r]; k < rows.begin[r + 1]; ++k, line += W * kValues) {
      for (int i = 0; i < W * kValues; ++i) sum[i] += rows.weights[k] * line[i];
    }
    std::uint8_t* to = photo.pixel(taps.left, taps.top + r);
    for (int x = 0; x < W; ++x, to += step) {
      const float* v = sum.data() + x * kValues;
      const float replaced = std::clamp(v[6], 0.f, 1.f), weight = taps.down[r] * taps.across[x];
      for (int c = 0; c < 3; ++c) {
        const float detail = float(to[c]) - v[3 + c];
        const float shown = std::clamp(float(to[c]) + weight * (v[c] - replaced * detail), 0.f, 255.f);
        to[c] = std::uint8_t(shown + kWhole - kWhole);
      }
    }
  });
}

}  // namespace emo
