#pragma once

#include <cstddef>
#include <functional>
#include <list>
#include <oneapi/dnnl/dnnl.hpp>
#include <vector>

#include "base/tensor.h"
#include "engine/backend/cpu/strip_conv.h"

namespace emo {

/// Winograd's F(4x4,3x3) (Lavin and Gray 2016): a tile of 4x4 outputs is a polynomial product, evaluated at 6x6 points, so
/// it takes 36 multiplications a pair of channels where the definition takes 144. A 4x4 kernel of stride 2 falls into four
/// of 2x2 taps over every second pixel, for which 5x5 points are enough: 25 for 64. A convolution adds up the four, so their
/// channels stand side by side as one; a deconvolution's make four pictures of outputs, its phases.
/// The whole generator at 128x128 on two Zen 4 cores, fp32, by strips alone, with 3x3 kernels in this way, and with both:
/// 64 filters 88, 47, 42 ms, 32 filters 24.8, 15.5, 14.7 ms.
namespace winograd {

inline constexpr int kTile = 4;
/// Evaluated at 0, +-kP, +-kQ and infinity, where two taps have no weight. The usual 1 and 2 let the roundings grow eleven
/// times over a plain convolution's (root mean square over the tile), these five times, and both have exact squares and
/// cubes in fp32.
inline constexpr float kP = 0.625f, kQ = 1.5f;

}  // namespace winograd

/// How a picture (H,W,C) falls into tiles, and where their points lie. Position i of tile t is row (4 t + i) step + top, its
/// columns likewise; what lies outside the picture is 0 and is not written.
struct TileWalk {
  int H, W, C;
  int step, top, left;
  int tiles;         ///< in a row of them
  int side;          ///< points along a tile's side: 6 for three taps, 5 for two
  int depth, first;  ///< channels that a tile has at a point; the first of this picture's in it, or its first in the picture
  std::size_t pitch;  ///< floats from a point's (tiles, depth) to the next point's
};

/// A layer's taps, in the form that oneDNN's kernel wants of the weights at a point: what makes these of them goes element
/// by element, whatever the form. At their points the weights take four times the memory, 146 MB for 64 filters. Computed
/// anew for each face, one takes 0.99 of the time with AVX-512, 1.06 with AVX2 (one Xeon core).
class WinogradWeights {
 public:
  /// `raw` gives (C_out,C_in,K,K), for a deconvolution (C_in,C_out,K,K), contiguous fp32.
  explicit WinogradWeights(std::function<std::vector<float>()> raw) : raw_(std::move(raw)) {}

  /// Matrices (outputs, depth) of `form`, one a tap, for each block of so many outputs, for each phase.
  const float* as(const dnnl::memory::desc& form, const ConvGeometry& geometry, const dnnl::engine& engine);

 private:
  std::function<std::vector<float>()> raw_;
  struct Form {
    dnnl::memory::desc form;
    HostBuffer<float> taps;
  };
  std::list<Form> forms_;  // convolutions point at them
};

/// A convolution or deconvolution, phase by phase, in three steps between which all of a step must be done: rows of tiles to
/// points, matrix products, points to rows. Each piece of a step is one thread's and the pieces depend on the layer alone,
/// as StripConv's strips do. A product's piece is a block of outputs at a line of points, whose weights are computed for it.
/// fp32 only: bf16 has no bits to spare for the transforms.
class WinogradConv {
 public:
  /// Whether it can compute that layer.
  static bool takes(const ConvGeometry& geometry);

  /// Throws Error(kDevice) when oneDNN has no kernel.
  WinogradConv(const ConvGeometry& geometry, WinogradWeights& weights, const dnnl::engine& engine);

  int phases() const { return int(out_walks_.size()); }
  int products() const { return side() * blocks(); }
  int tile_rows() const { return tile_rows_; }
  std::size_t scratch_bytes() const { return side() * matrix_pitch_ * sizeof(float) + scratch_.get_size(); }
  /// Floats that to_points() fills, and that multiply() fills.
  std::size_t in_points() const { return side() * side() * in_walks_[0].pitch; }
  std::size_t out_points() const { return side() * side() * out_walks_[0].pitch; }

  /// x (H,W,C_in), y (H,W,C_out) are the whole tensors, of which a call reads or writes its part. `scratch` as in StripConv.
  void to_points(int phase, int tile_row, const float* x, float* points) const;
  void multiply(int phase, int product, const float* in, float* out, void* scratch, const dnnl::engine& engine) const;
  void to_rows(int phase, int tile_row, const float* points, float* y) const;

  /// Rows first, first + step ... below end.
  struct Rows {
    int first, end, step;
  };
  /// The rows of y that are whole when to_rows() has done this tile row, the phases having come in order.
  Rows finished(int phase, int tile_row) const;

 private:
  int side() const { return out_walks_[0].side; }
  int taps() const { return side() - winograd::kTile + 1; }
  int blocks() const { return out_walks_[0].C / out_walks_[0].depth; }
  std::size_t block_floats() const { return out_walks_[0].pitch / blocks(); }

  ConvGeometry geometry_;
  int tile_rows_;
  std::vector<TileWalk> in_walks_, out_walks_;  // as many a phase; one a phase
  dnnl::primitive product_;
  dnnl::memory::desc in_, out_, form_, scratch_;
  std::size_t matrix_ = 0, matrix_pitch_ = 0;  // floats of form_, and to the next
  const float* taps_ = nullptr;                // WinogradWeights::as
};

}  // namespace emo
