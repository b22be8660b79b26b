#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/shape.h"
#include "kernels/conv2d_tiles.h"

/// Convolution and transposed convolution as implicit GEMM, channels-last, with InstanceNorm's statistics on the way out.
namespace emo {

/// How products are formed. Sums are fp32 in each.
enum class MathType {
  kF16,   ///< fp16 operands on tensor cores
  kBF16,  ///< bf16 operands on tensor cores
  kTF32,  ///< fp32 in memory, rounded to tf32 (10 bits, ties away from zero) for the tensor cores
  kFP32,  ///< fp32 throughout, fused multiply-add
};
constexpr int operand_bytes(MathType math) { return math == MathType::kF16 || math == MathType::kBF16 ? 2 : 4; }
const char* name_of(MathType math);

/// Channels in memory are a multiple of this, so that 16-byte accesses never cross a pixel. Those added are zero.
inline constexpr int kChannelAlign = 8;
__host__ __device__ constexpr int padded_channels(int C) { return (C + kChannelAlign - 1) / kChannelAlign * kChannelAlign; }

/// Pixels of which one pair of moments is taken: consecutive ones of an output plane, or of a parity of it.
inline constexpr int kMomentStrip = 64;

/// Mean and sum of squared deviations from it, of one channel of one strip.
struct alignas(8) Moments {  // one access
  float mean, m2;
};

/// What is convolved. A transposed convolution is 4x4 with S = 2, P = 1. It runs as four 2x2 convolutions, one for each
/// parity (oy % 2, ox % 2) of the output, and multiplies no zero:
///   y[2q+py, 2r+px] = sum over j, i of x[q-1+py+j, r-1+px+i] * w[3-py-2j, 3-px-2i]
struct ConvShape {
  int N = 1, H = 0, W = 0;
  int C_in = 0, C_out = 0;  ///< as in memory: multiples of kChannelAlign
  int KH = 0, KW = 0, S = 1, PH = 0, PW = 0;
  bool transposed = false;

  bool operator==(const ConvShape&) const = default;
  int H_out() const { return transposed ? 2 * H : (H + 2 * PH - KH) / S + 1; }
  int W_out() const { return transposed ? 2 * W : (W + 2 * PW - KW) / S + 1; }
  Shape in() const { return {N, C_in, H, W}; }
  Shape out() const { return {N, C_out, H_out(), W_out()}; }

  // The GEMM: for each image and parity, pixels() x C_out, summed over taps() * C_in.
  int parities() const { return transposed ? 4 : 1; }
  int pixels() const { return H_out() * W_out() / parities(); }
  int taps() const { return transposed ? 4 : KH * KW; }
  /// Strips of an image, parity after parity: its moments are (strips(), C_out).
  int strips() const { return parities() * ((pixels() + kMomentStrip - 1) / kMomentStrip); }
};

/// Weights in the layout that the kernel reads: (parity, C_out, K) with K = (ky, kx, c), c fastest, filled up with zeros to
/// a multiple of 128 bytes; in the operand's type, fp32 rounded to tf32 for kTF32.
/// weight  (C_out,C_in,KH,KW), transposed (C_in,C_out,4,4), fp32, contiguous, host, with the `C_in` and `C_out` given here,
///         which shape's may exceed by padding.
/// Throws Error when `weight` has another size, or channels that the shape has not.
std::vector<std::byte> pack_conv_weights(MathType math, const ConvShape& shape, std::span<const float> weight, int C_out,
                                         int C_in);

/// What happens to a sum before it is stored.
struct ConvEpilogue {
  /// Added; null for none. With border = 0: (C_out). With border = B: (N, 2B+1, 2B+1, C_out), by image and by the class of
  /// the output's row and column: those 0 .. B-1 from the start, inside, B-1 .. 0 from the end. That is what channels of
  /// constant value add to a convolution with P = B (see au_bias.h).
  const float* bias = nullptr;
  int border = 0;
  /// (N, strips(), C_out), of the sums with their bias, before they are rounded; null for none.
  Moments* moments = nullptr;
};

/// How a convolution is cut into blocks. The answer is the same, to the byte, under every plan of one instruction and at any
/// N: K is cut into chunks that depend on K alone, a chunk is summed from zero, and the chunks are added in their order.
/// Tensor cores round inside a product of 16 terms as they like, wgmma perhaps not as mma.sync, so the instruction is named
/// here and nothing but its caller chooses it: who promises the same bytes for an image keeps to one.
struct ConvPlan {
  int tile = 0;    ///< of kConvTiles, with wgmma of kWgmmaTiles
  int splits = 1;  ///< blocks that share a tile's chunks; each leaves its sums in the workspace, and the last adds them up
  bool wgmma = false;  ///< by Hopper's wgmma and TMA, which do not split; else mma.sync, or FFMA for kFP32
  bool operator==(const ConvPlan&) const = default;
};

/// Whether wgmma runs here: a device of compute capability 9.0, a driver of CUDA 12 or newer, and sm_90a among the
/// architectures of this build.
bool has_wgmma();

/// Whether wgmma can multiply it, at any N: 16-bit operands; C_in a multiple of 64; S of 1 or 2, of which H and W are
/// multiples; and rows of output pixels (of a parity) of a multiple or a divisor of 64.
bool takes_wgmma(MathType math, const ConvShape& shape);

/// A plan for this shape: where one was measured to be the fastest (conv2d_measured.inc) that one, else by counting: the
/// largest tile of which every multiprocessor gets one, else small tiles and splits. With `wgmma` that instruction where it
/// can, at any N, and mma where it cannot.
ConvPlan conv2d_plan(MathType math, const ConvShape& shape, int multiprocessors, bool wgmma = false);

/// What a plan needs beside its operands; all zero unless it splits.
struct ConvWorkspaceSize {
  std::size_t floats = 0, counters = 0;
};
ConvWorkspaceSize conv2d_workspace(MathType math, const ConvShape& shape, const ConvPlan& plan);

/// sums: uninitialised. counters: zero before the first call; every call leaves them so. Not shared by concurrent calls.
struct ConvWorkspace {
  float* sums = nullptr;
  unsigned* counters = nullptr;
};

/// y = conv(x, weights) + bias, and its moments.
///
/// x        (N,H,W,C_in) in the operand's type, device, aligned to 16 bytes; padding channels are finite.
/// weights  from pack_conv_weights, device, aligned to 16 bytes.
/// y        (N,H_out,W_out,C_out), apart from x, device, aligned to 16 bytes: fp32, or with `y_as_operand` the operand's
///          type.
///
/// With wgmma the tensor maps that TMA reads by are made by the call, on the host, and are part of the launch: once where it
/// is captured into a graph.
///
/// Throws Error for a shape or a plan that it cannot take, before anything is written, and when the launch fails.
void conv2d(MathType math, const ConvShape& shape, const ConvPlan& plan, const void* x, const void* weights, void* y,
            bool y_as_operand, const ConvEpilogue& epilogue, const ConvWorkspace& workspace, cudaStream_t stream);

}  // namespace emo
