#pragma once

#include <cstddef>
#include <cstdint>

namespace emo {

struct TileWalk;

/// The networks' arithmetic other than convolutions, on one row of pixels at a time, channels-last fp32. Compiled once for
/// any x86-64, once for AVX2 with FMA and in part for AVX-512; the functions are chosen when a backend is opened.
struct Pointwise {
  /// mean[c] over the row's pixels and m2[c] = sum of (x - mean[c])^2, in two passes: the row is still in the first
  /// cache. x (W,C); mean, m2 (C).
  void (*row_moments)(const float* x, int W, int C, float* mean, float* m2);

  /// Moments of a whole plane from those of its rows, exactly as Chan, Golub and LeVeque merge groups of equal size:
  ///   mean[c] = sum_r row_mean[r,c] / H,   var[c] = sum_r (row_m2[r,c] + W (row_mean[r,c] - mean[c])^2) / (H W)
  /// row_mean, row_m2 (H,C); mean, var (C). The order of the sums is the rows' and does not depend on who computed them.
  void (*merge_rows)(const float* row_mean, const float* row_m2, int H, int W, int C, float* mean, float* var);

  /// y = (x - mean[c]) * scale[c] + shift[c], below 0 set to 0 when `relu` (NaN stays NaN), plus stream when `add`; kept
  /// in stream when `keep`, written to y. x, y, stream (W,C); stream null unless add or keep.
  void (*normalise_row)(const float* x, const float* mean, const float* scale, const float* shift, bool relu, bool add,
                        bool keep, int W, int C, float* stream, float* y);
  /// The same with y rounded to bf16, to the nearest, ties to even; stream is not rounded.
  void (*normalise_row_bf16)(const float* x, const float* mean, const float* scale, const float* shift, bool relu, bool add,
                             bool keep, int W, int C, float* stream, std::uint16_t* y);

  /// Winograd's transforms (winograd.h) for one row of tiles. x, y (H,W,C), C a multiple of 16; points as the walk says.
  void (*winograd_to_points)(const float* x, const TileWalk& walk, int tile_row, float* points);
  /// Of `count` elements, a multiple of 16, of a layer's taps (side x side, pitch): their values at a line of points,
  /// rounded alike on every processor. weights (points of a line, pitch).
  void (*winograd_weights)(const float* taps, int side, int line, std::size_t count, std::size_t pitch, float* weights);
  void (*winograd_to_rows)(const float* points, const TileWalk& walk, int tile_row, float* y);

  /// y += weights x. weights (rows,cols), x (cols), y (rows). A sum's order depends on cols alone.
  void (*matrix_vector)(const float* weights, const float* x, int rows, int cols, float* y);
};

/// The fastest form that this processor, and oneDNN's own choice of instructions, allow.
const Pointwise& pointwise();

}  // namespace emo
