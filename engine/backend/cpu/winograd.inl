// Included by pointwise.cc once an instruction set. Sixteen channels, a cache line, at a time.

// Functions in which no product is fused into a sum, so that they round alike on every processor.
#ifdef __clang__
#define EMO_UNFUSED
#else
#define EMO_UNFUSED __attribute__((optimize("fp-contract=off")))
#endif

using Lanes = float __attribute__((vector_size(64)));
using LooseLanes = float __attribute__((vector_size(64), aligned(4), may_alias));

/// kSide values a line, `step` apart, at the points: B^T of the paper for 0, p, -p, q, -q and, of six, infinity.
template <int kSide>
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
  if constexpr (kSide == 6) t[5 * step] = pp * qq * d1 - (pp + qq) * d3 + d[5 * step];
}

/// Four outputs of the values at the points: A^T of the paper.
template <int kSide>
EMO_TARGET inline void from_points(const Lanes* m, int step, Lanes* y) {
  constexpr float p = winograd::kP, q = winograd::kQ, pp = p * p, qq = q * q;
  const Lanes even_p = m[step] + m[2 * step], odd_p = m[step] - m[2 * step];
  const Lanes even_q = m[3 * step] + m[4 * step], odd_q = m[3 * step] - m[4 * step];
  y[0] = m[0] + even_p + even_q;
  y[step] = p * odd_p + q * odd_q;
  y[2 * step] = pp * even_p + qq * even_q;
  y[3 * step] = pp * p * odd_p + qq * q * odd_q;
  if constexpr (kSide == 6) y[3 * step] += m[5 * step];
}

template <int kSide>
EMO_TARGET void tiles_to_points(const float* x, const TileWalk& walk, int tile_row, float* points) {
  constexpr int kTile = winograd::kTile, kPoints = kSide * kSide;
  for (int tile = 0; tile < walk.tiles; ++tile) {
    const int top = tile_row * kTile * walk.step + walk.top, left = tile * kTile * walk.step + walk.left;
    float* to = points + (std::size_t(tile_row) * walk.tiles + tile) * walk.depth + walk.first;
    for (int c = 0; c < walk.C; c += 16) {
      Lanes d[kPoints], t[kPoints];
      for (int i = 0; i < kSide; ++i) {
        for (int j = 0; j < kSide; ++j) {
          const int row = top + i * walk.step, column = left + j * walk.step;
          const bool inside = row >= 0 && row < walk.H && column >= 0 && column < walk.W;
          d[i * kSide + j] =
              inside ? *reinterpret_cast<const LooseLanes*>(x + (std::size_t(row) * walk.W + column) * walk.C + c) : Lanes{};
        }
      }
      for (int j = 0; j < kSide; ++j) to_points<kSide>(d + j, kSide, t + j);
      for (int i = 0; i < kSide; ++i) to_points<kSide>(t + i * kSide, 1, d + i * kSide);
      for (int k = 0; k < kPoints; ++k) *reinterpret_cast<LooseLanes*>(to + k * walk.pitch + c) = d[k];
    }
  }
}

template <int kSide>
EMO_TARGET void points_to_rows(const float* points, const TileWalk& walk, int tile_row, float* y) {
  constexpr int kTile = winograd::kTile, kPoints = kSide * kSide;
  for (int tile = 0; tile < walk.tiles; ++tile) {
    const int top = tile_row * kTile * walk.step + walk.top, left = tile * kTile * walk.step + walk.left;
    const float* from = points + (std::size_t(tile_row) * walk.tiles + tile) * walk.depth;
    for (int c = 0; c < walk.depth; c += 16) {
      Lanes m[kPoints], t[kTile * kSide], out[kTile * kTile];
      for (int k = 0; k < kPoints; ++k) m[k] = *reinterpret_cast<const LooseLanes*>(from + k * walk.pitch + c);
      for (int j = 0; j < kSide; ++j) from_points<kSide>(m + j, kSide, t + j);
      for (int i = 0; i < kTile; ++i) from_points<kSide>(t + i * kSide, 1, out + i * kTile);
      for (int i = 0; i < kTile && top + i * walk.step < walk.H; ++i) {
        for (int j = 0; j < kTile && left + j * walk.step < walk.W; ++j) {
          const std::size_t pixel = std::size_t(top + i * walk.step) * walk.W + left + j * walk.step;
          *reinterpret_cast<LooseLanes*>(y + pixel * walk.C + walk.first + c) = out[i * kTile + j];
        }
      }
    }
  }
}

EMO_TARGET void winograd_to_points(const float* x, const TileWalk& walk, int tile_row, float* points) {
  (walk.side == 6 ? tiles_to_points<6> : tiles_to_points<5>)(x, walk, tile_row, points);
}

EMO_TARGET void winograd_to_rows(const float* points, const TileWalk& walk, int tile_row, float* y) {
  (walk.side == 6 ? points_to_rows<6> : points_to_rows<5>)(points, walk, tile_row, y);
}

/// Two or three taps, the third then 0, at one of the five or six points: G of the paper.
EMO_TARGET EMO_UNFUSED inline void weight_at(int point, const Lanes* g, Lanes& to) {
  constexpr double p = winograd::kP, q = winograd::kQ, pp = p * p, qq = q * q;
  constexpr auto at_0 = float(1 / (pp * qq)), at_p = float(0.5 / (pp * (pp - qq))), at_q = float(0.5 / (qq * (qq - pp)));
  switch (point) {
    case 0: to = at_0 * g[0]; break;
    case 1: to = at_p * (g[0] + float(pp) * g[2] + float(p) * g[1]); break;
    case 2: to = at_p * (g[0] + float(pp) * g[2] - float(p) * g[1]); break;
    case 3: to = at_q * (g[0] + float(qq) * g[2] + float(q) * g[1]); break;
    case 4: to = at_q * (g[0] + float(qq) * g[2] - float(q) * g[1]); break;
    default: to = g[2];
  }
}

template <int kTaps, int kLine>
EMO_TARGET EMO_UNFUSED void weights_of_line(const float* taps, std::size_t count, std::size_t pitch, float* weights) {
  constexpr int kSide = winograd::kTile + kTaps - 1;
  for (std::size_t i = 0; i < count; i += 16) {
    Lanes row[3] = {};
    for (int x = 0; x < kTaps; ++x) {
      Lanes column[3] = {};
      for (int y = 0; y < kTaps; ++y) column[y] = *reinterpret_cast<const LooseLanes*>(taps + (y * kTaps + x) * pitch + i);
      weight_at(kLine, column, row[x]);
    }
    for (int j = 0; j < kSide; ++j) {
      Lanes weight;
      weight_at(j, row, weight);
      *reinterpret_cast<LooseLanes*>(weights + j * pitch + i) = weight;
    }
  }
}

EMO_TARGET EMO_UNFUSED void winograd_weights(const float* taps, int side, int line, std::size_t count, std::size_t pitch,
                                  float* weights) {
  constexpr auto two = std::array{weights_of_line<2, 0>, weights_of_line<2, 1>, weights_of_line<2, 2>, weights_of_line<2, 3>,
                                  weights_of_line<2, 4>};
  constexpr auto three = std::array{weights_of_line<3, 0>, weights_of_line<3, 1>, weights_of_line<3, 2>,
                                    weights_of_line<3, 3>, weights_of_line<3, 4>, weights_of_line<3, 5>};
  (side == 2 ? two[line] : three[line])(taps, count, pitch, weights);
}
