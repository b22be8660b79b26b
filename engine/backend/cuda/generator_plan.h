#pragma once

#include <cstddef>
#include <vector>

#include "engine/backend/cuda/memory_plan.h"
#include "kernels/conv2d.h"
#include "weights/layers.h"

namespace emo {

/// The table's row `i` as a convolution of N images on the GPU: the first without its planes of AUs, the last two, colour
/// and mask, as one. See kernels/first_layer.h and kernels/heads.h.
ConvShape generator_conv(const std::vector<LayerSpec>& layers, std::size_t i, int N);

/// Whether sums lie in memory as the operands do, between a convolution and its normalisation.
constexpr bool sums_as_operands(MathType math) { return operand_bytes(math) == 2; }

/// Batches of so many images and more are multiplied by wgmma where there is one. Below, its 128 x 128 tiles would leave
/// most of 132 multiprocessors without work, and it does not split K. An image has the same bytes in all batches on either
/// side.
inline constexpr int kWgmmaBatch = 8;

/// What a convolution's cut depends on beside its shape and batch.
struct GpuTraits {
  int multiprocessors = 0;
  bool wgmma = false;

  /// Of the current device; wgmma where it is there and `may_use_wgmma`.
  static GpuTraits current(bool may_use_wgmma = true);
};

/// What one run of the generator over N images needs, computed from the layer table: how each convolution is cut into
/// blocks, and where everything lies in one block of memory.
///
/// A row reads `input` and its convolution writes `sums` and their `moments`; these are merged into `coefficients`, with
/// which the sums are normalised into the next row's `input`. A residual block's input is kept until its second row adds it.
/// The head writes its pictures into `pictures`.
struct GeneratorPlan {
  GeneratorPlan(const GeneratorConfig& config, MathType math, int side, int N, const GpuTraits& gpu);

  struct Row {
    ConvShape conv;
    ConvPlan cut;
    PlannedBuffer input, sums, moments, coefficients, split_sums;
  };
  /// Floats of `pictures` before each part; what comes from the host lies first, what goes there last, the flags in both.
  struct Pictures {
    std::size_t faces = 0;  ///< (N,3,S,S)
    std::size_t aus;        ///< (N,AUs)
    std::size_t flags;      ///< (N) unsigned, see HeadPictures::not_finite
    std::size_t out;        ///< (N,3,S,S)
    std::size_t mask;       ///< (N,1,S,S)
    std::size_t colour;     ///< (N,3,S,S)
    std::size_t end;
  };

  MathType math;
  int N;
  std::vector<LayerSpec> layers;
  std::vector<Row> rows;  ///< of the table, the last two as one
  Pictures at;
  PlannedBuffer pictures, au_bias;
  std::size_t bytes = 0;     ///< of the block
  std::size_t counters = 0;  ///< unsigned, see ConvWorkspace
};

}  // namespace emo
