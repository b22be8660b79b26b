// Included by pointwise.cc once an instruction set, inside a namespace, with EMO_TARGET naming the set. Plain loops over
// channels that the compiler vectorises; the innermost trip count is C, at least conv_dim.

EMO_TARGET void row_moments(const float* __restrict x, int W, int C, float* __restrict mean, float* __restrict m2) {
  for (int c = 0; c < C; ++c) mean[c] = m2[c] = 0.f;
  for (int w = 0; w < W; ++w) {
    for (int c = 0; c < C; ++c) mean[c] += x[std::size_t(w) * C + c];
  }
  for (int c = 0; c < C; ++c) mean[c] /= float(W);
  for (int w = 0; w < W; ++w) {
    for (int c = 0; c < C; ++c) {
      const float d = x[std::size_t(w) * C + c] - mean[c];
      m2[c] += d * d;
    }
  }
}

EMO_TARGET void merge_rows(const float* __restrict row_mean, const float* __restrict row_m2, int H, int W, int C,
                           float* __restrict mean, float* __restrict var) {
  for (int c = 0; c < C; ++c) mean[c] = var[c] = 0.f;
  for (int h = 0; h < H; ++h) {
    for (int c = 0; c < C; ++c) mean[c] += row_mean[std::size_t(h) * C + c];
  }
  for (int c = 0; c < C; ++c) mean[c] /= float(H);
  for (int h = 0; h < H; ++h) {
    for (int c = 0; c < C; ++c) {
      const float d = row_mean[std::size_t(h) * C + c] - mean[c];
      var[c] += row_m2[std::size_t(h) * C + c] + float(W) * d * d;
    }
  }
  for (int c = 0; c < C; ++c) var[c] /= float(H) * float(W);
}

// Its own copy of base/dtype.h's rounding: a shared inline function, were it not inlined, could be emitted here with
// instructions that an older processor lacks and be the copy that the linker keeps.
EMO_TARGET inline void store(float* y, float v) { *y = v; }
EMO_TARGET inline void store(std::uint16_t* y, float v) {
  std::uint32_t u;
  __builtin_memcpy(&u, &v, sizeof u);
  const std::uint32_t rounded = (u + 0x7fffu + (u >> 16 & 1u)) >> 16;
  *y = std::uint16_t(v == v ? rounded : u >> 16 | 0x40u);
}

template <bool kAdd, bool kKeep, typename Out>
EMO_TARGET void normalise_pixels(const float* __restrict x, const float* __restrict mean, const float* __restrict scale,
                                 const float* __restrict shift, float floor, int W, int C, float* __restrict stream,
                                 Out* __restrict y) {
  for (int w = 0; w < W; ++w, x += C, y += C) {
    for (int c = 0; c < C; ++c) {
      float v = (x[c] - mean[c]) * scale[c] + shift[c];
      v = v < floor ? floor : v;  // this way round NaN passes
      if (kAdd) v += stream[c];
      if (kKeep) stream[c] = v;
      store(y + c, v);
    }
    if (kAdd || kKeep) stream += C;
  }
}

template <typename Out>
EMO_TARGET void normalise_row(const float* x, const float* mean, const float* scale, const float* shift, bool relu, bool add,
                              bool keep, int W, int C, float* stream, Out* y) {
  const float floor = relu ? 0.f : -__builtin_inff();
  const auto pixels = add ? (keep ? normalise_pixels<true, true, Out> : normalise_pixels<true, false, Out>)
                          : (keep ? normalise_pixels<false, true, Out> : normalise_pixels<false, false, Out>);
  pixels(x, mean, scale, shift, floor, W, C, stream, y);
}

// 64 running sums: as many registers as hide the adds' latency.
EMO_TARGET void matrix_vector(const float* __restrict weights, const float* __restrict x, int rows, int cols,
                              float* __restrict y) {
  constexpr int kSums = 64;
  for (int row = 0; row < rows; ++row, weights += cols) {
    float sums[kSums] = {};
    int i = 0;
    for (; i + kSums <= cols; i += kSums) {
      for (int k = 0; k < kSums; ++k) sums[k] += weights[i + k] * x[i + k];
    }
    for (int k = 0; i < cols; ++i, ++k) sums[k] += weights[i] * x[i];
    for (int half = kSums / 2; half > 0; half /= 2) {
      for (int k = 0; k < half; ++k) sums[k] += sums[k + half];
    }
    y[row] += sums[0];
  }
}
