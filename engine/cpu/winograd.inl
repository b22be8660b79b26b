// Included by pointwise.inl, so once an instruction set. Sixteen channels, a cache line, at a time.

using Lanes = float __attribute__((vector_size(64)));
using LooseLanes = float __attribute__((vector_size(64), aligned(4), may_alias));

/// Six values a line, `step` apart, at the six points: B^T of the paper for 0, p, -p, q, -q, infinity.
EMO_TARGET inline void to_points(const Lanes* d, int step, Lanes* t) {
  constexpr float p = winograd::kP, q = winograd::kQ, pp = p * p, qq = q * q;
  const Lanes d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], d4 = d[4 * step];
  const Lanes even_p = d4 - qq * d2, odd_p = p * (d3 - qq * d1);
  const Lanes even_q = d4 - pp * d2, odd_q = q * (d3 - pp * d1);
  t[0] = pp * qq * d[0] - (pp + qq) * d2 + d4;
  t[step] = even_p + odd_p;
  t[2 * step] = even_p - odd_p;
  t[3 * step] = even_q + odd_q;
  t[4 * step] = even_q - odd_q;
  t[5 * step] = pp * qq * d1 - (pp + qq) * d3 + d[5 * step];
}

/// Four outputs of the values at the six points: A^T of the paper.
EMO_TARGET inline void from_points(const Lanes* m, int step, Lanes* y) {
  constexpr float p = winograd::kP, q = winograd::kQ, pp = p * p, qq = q * q;
  const Lanes even_p = m[step] + m[2 * step], odd_p = m[step] - m[2 * step];
  const Lanes even_q = m[3 * step] + m[4 * step], odd_q = m[3 * step] - m[4 * step];
  y[0] = m[0] + even_p + even_q;
  y[step] = p * odd_p + q * odd_q;
  y[2 * step] = pp * even_p + qq * even_q;
  y[3 * step] = pp * p * odd_p + qq * q * odd_q + m[5 * step];
}

EMO_TARGET void winograd_to_points(const float* x, int H, int W, int C, int tile_row, float* points) {
  using namespace winograd;
  const std::size_t pitch = winograd::pitch(H, W, C);
  const int top = tile_row * kTile - 1;
  for (int tile = 0; tile < tiles(W); ++tile) {
    const int left = tile * kTile - 1;
    float* to = points + (std::size_t(tile_row) * tiles(W) + tile) * C;
    for (int c = 0; c < C; c += 16) {
      Lanes d[kPoints], t[kPoints];
      for (int i = 0; i < kSide; ++i) {
        for (int j = 0; j < kSide; ++j) {
          const bool inside = top + i >= 0 && top + i < H && left + j >= 0 && left + j < W;
          d[i * kSide + j] =
              inside ? *reinterpret_cast<const LooseLanes*>(x + (std::size_t(top + i) * W + (left + j)) * C + c) : Lanes{};
        }
      }
      for (int j = 0; j < kSide; ++j) to_points(d + j, kSide, t + j);
      for (int i = 0; i < kSide; ++i) to_points(t + i * kSide, 1, d + i * kSide);
      for (int k = 0; k < kPoints; ++k) *reinterpret_cast<LooseLanes*>(to + k * pitch + c) = d[k];
    }
  }
}

EMO_TARGET void winograd_to_rows(const float* points, int H, int W, int C, int tile_row, float* y) {
  using namespace winograd;
  const std::size_t pitch = winograd::pitch(H, W, C);
  const int top = tile_row * kTile, rows = H - top < kTile ? H - top : kTile;
  for (int tile = 0; tile < tiles(W); ++tile) {
    const int left = tile * kTile, columns = W - left < kTile ? W - left : kTile;
    const float* from = points + (std::size_t(tile_row) * tiles(W) + tile) * C;
    for (int c = 0; c < C; c += 16) {
      Lanes m[kPoints], t[kTile * kSide], out[kTile * kTile];
      for (int k = 0; k < kPoints; ++k) m[k] = *reinterpret_cast<const LooseLanes*>(from + k * pitch + c);
      for (int j = 0; j < kSide; ++j) from_points(m + j, kSide, t + j);
      for (int i = 0; i < kTile; ++i) from_points(t + i * kSide, 1, out + i * kTile);
      for (int i = 0; i < rows; ++i) {
        for (int j = 0; j < columns; ++j) {
          *reinterpret_cast<LooseLanes*>(y + (std::size_t(top + i) * W + (left + j)) * C + c) = out[i * kTile + j];
        }
      }
    }
  }
}
