#pragma once

#include <cstddef>
#include <functional>
#include <list>
#include <oneapi/dnnl/dnnl.hpp>
#include <vector>

#include "base/tensor.h"
#include "engine/cpu/strip_conv.h"
#include "engine/cpu/thread_pool.h"

namespace emo {

/// Winograd's F(4x4,3x3) (Lavin and Gray 2016): a tile of 4x4 outputs is a polynomial product, evaluated at 6x6 points, so
/// it takes 36 multiplications a pair of channels where the definition takes 144. The whole generator at 128x128 on two
/// Zen 4 cores, fp32, by strips alone and with this: 64 filters 87.8 and 46.9 ms, 32 filters 24.2 and 15.5 ms.
namespace winograd {

inline constexpr int kTile = 4, kSide = 6, kPoints = kSide * kSide;
/// Evaluated at 0, +-kP, +-kQ and infinity. The usual 1 and 2 let the roundings grow eleven times over a plain
/// convolution's (root mean square over the tile), these five times, and both have exact squares and cubes in fp32.
inline constexpr float kP = 0.625f, kQ = 1.5f;

inline int tiles(int side) { return (side + kTile - 1) / kTile; }
/// Floats from one point's matrix to the next. The extra 64 bytes keep the 36 that are written side by side from falling
/// on the same lines of the first cache: planes are powers of two.
inline std::size_t pitch(int H, int W, int C) { return std::size_t(tiles(H)) * tiles(W) * C + 16; }

}  // namespace winograd

/// A layer's weights at the 36 points, in the form that oneDNN's kernel wants; as PackedWeights keeps them.
class WinogradWeights {
 public:
  /// `raw` gives (C_out,C_in,3,3), contiguous fp32.
  explicit WinogradWeights(std::function<std::vector<float>()> raw) : raw_(std::move(raw)) {}

  /// The (C_out,C_in) matrix of each point.
  const std::vector<dnnl::memory>& as(const dnnl::memory::desc& form, const dnnl::engine& engine, ThreadPool& pool);

 private:
  std::function<std::vector<float>()> raw_;
  struct Form {
    HostBuffer<std::byte> storage;
    std::vector<dnnl::memory> points;
  };
  std::list<Form> forms_;  // convolutions point at them
};

/// A 3x3 convolution of stride 1 in three steps, between which all of a step must be done: rows of tiles to points, one
/// matrix product a point, points to rows. Each piece of a step is one thread's and the pieces depend on the layer alone,
/// as StripConv's strips do. fp32 only: bf16 has no bits to spare for the transforms.
class WinogradConv {
 public:
  /// Whether it can compute that layer.
  static bool takes(const ConvGeometry& geometry);

  /// Throws Error(kDevice) when oneDNN has no kernel.
  WinogradConv(const ConvGeometry& geometry, WinogradWeights& weights, const dnnl::engine& engine, ThreadPool& pool);

  int tile_rows() const { return winograd::tiles(geometry_.out.H); }
  int first_row(int tile_row) const { return tile_row * winograd::kTile; }
  int end_row(int tile_row) const;
  std::size_t scratch_bytes() const { return scratch_.get_size(); }
  /// Floats that to_points() fills, and that multiply() fills.
  std::size_t in_points() const;
  std::size_t out_points() const;

  /// x (H,W,C_in), y (H,W,C_out) are the whole tensors, of which a call reads or writes its part. `scratch` as in StripConv.
  void to_points(int tile_row, const float* x, float* points) const;
  void multiply(int point, const float* in, float* out, void* scratch, const dnnl::engine& engine) const;
  void to_rows(int tile_row, const float* points, float* y) const;

 private:
  ConvGeometry geometry_;
  dnnl::primitive product_;
  dnnl::memory::desc in_, out_, scratch_;
  const std::vector<dnnl::memory>* weights_ = nullptr;
};

}  // namespace emo
