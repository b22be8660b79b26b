#pragma once

#include <cstddef>
#include <functional>
#include <list>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <vector>

#include "base/shape.h"
#include "weights/layers.h"

namespace emo {

/// One convolution as the CPU runs it, N = 1.
struct ConvGeometry {
  std::string key;  ///< for errors
  Op op;
  Shape in, out;
  int KH, KW, S, PH, PW;
};

/// A layer's weights in the forms that oneDNN's kernels want. In practice one form serves all strips and all picture
/// sides; should a kernel want another, it is packed from the weight file again, so no raw copy is kept.
class PackedWeights {
 public:
  /// `raw` gives (C_out,C_in,KH,KW), for a deconvolution (C_in,C_out,KH,KW), contiguous fp32.
  explicit PackedWeights(std::function<std::vector<float>()> raw) : raw_(std::move(raw)) {}

  const dnnl::memory& as(const dnnl::memory::desc& form, Op op, const dnnl::engine& engine);

 private:
  std::function<std::vector<float>()> raw_;
  std::list<dnnl::memory> forms_;  // primitives point at them
};

/// A convolution cut into horizontal strips of output rows, each a oneDNN primitive on one thread. Where the cuts lie
/// depends on the layer alone, so the sums, and the bytes, are the same whatever the number of threads: left to itself
/// oneDNN 2.6 takes the thread count into its choice of blocks (and gives other bytes for 3, 4 and 8 threads). Strips of
/// one or two rows cost nothing measurable against the whole layer: 64 filters, 128x128, one Zen 4 core, AVX-512, ms:
///   3->64 7x7 2.7 | 64->128 4x4 9.5 | 256->256 3x3 10.1 | deconvolution 256->128 9.3, whole 9.2 | 128->64 9.7, whole 9.7
/// (In fp32 the 7x7 alone: winograd.h has the others.)
/// Activations are channels-last: oneDNN's blocked layouts gain nothing there (10.06 against 10.07 ms a 3x3 layer), and
/// everything between the convolutions is a plain loop. A deconvolution is oneDNN's primitive, cropped to the strip by its
/// padding: four 2x2 convolutions by parity are no faster (9.0 against 9.3 ms; with AVX2 11.7 against 11.2).
class StripConv {
 public:
  /// `type` is that of src and weights, f32 or bf16; sums and dst are fp32.
  /// Throws Error(kDevice) when oneDNN has no kernel.
  StripConv(const ConvGeometry& geometry, dnnl::memory::data_type type, PackedWeights& weights, const dnnl::engine& engine);

  int strips() const { return int(strips_.size()); }
  int first_row(int strip) const { return strips_[strip].row; }
  int end_row(int strip) const { return strips_[strip].row + kinds_[strips_[strip].kind].rows; }
  std::size_t scratch_bytes() const { return scratch_bytes_; }

  /// src (H,W,C_in) and dst (H,W,C_out) are the whole tensors; only the strip's rows of dst are written. `scratch` has
  /// scratch_bytes(), 64-byte aligned. Safe from several threads at once.
  void run(int strip, const void* src, float* dst, void* scratch, const dnnl::engine& engine) const;

 private:
  struct Kind {  // strips that differ in place only share a primitive
    int rows, pad_top, pad_bottom;
    dnnl::primitive primitive;
    dnnl::memory::desc src, dst, scratch;
    const dnnl::memory* weights;
  };
  struct Strip {
    int row, in_row, kind;
  };

  int kind(int rows, int in_rows, int pad_top, int pad_bottom, PackedWeights& weights, const dnnl::engine& engine);

  ConvGeometry geometry_;
  dnnl::memory::data_type type_;
  std::vector<Kind> kinds_;
  std::vector<Strip> strips_;
  std::size_t scratch_bytes_ = 0;
};

}  // namespace emo
