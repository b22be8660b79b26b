#include <array>
#include <utility>

#include "kernels/common.cuh"
#include "kernels/conv2d_border.cuh"
#include "kernels/conv2d_cut.h"
#include "kernels/conv2d_multiply.cuh"
#include "kernels/launch.h"
#include "kernels/operands.cuh"
#include "kernels/ptx.h"

namespace emo {
namespace {

struct Params {
  const unsigned char *x, *weights;
  void* y;
  const float* bias;
  Moments* moments;
  float* sums;
  unsigned* counters;
  int H, W, C_in, C_out;
  int KH, KW, S, PH, PW;      // of one parity
  int rows_out, columns_out;  // of one parity
  int parities, tiles_m, strips, border;
  int steps, chunk_steps, chunks, splits;
  bool y_as_operand;
};

/// Bytes of a tile's shared memory: the slices in flight, and later, in the same place, the sums.
__host__ __device__ constexpr int pitch(const ConvTile& t) {
  return t.BN + 8;
}  // fragments and columns then hit 32 different banks
__host__ __device__ constexpr int tile_bytes(const ConvTile& t) {
  const int slices = t.stages * (t.BM + t.BN) * kStepBytes, sums = t.BM * pitch(t) * int(sizeof(float));
  return slices > sums ? slices : sums;
}

/// Row and column of every n-th pixel, without a division each.
class PixelWalk {
 public:
  __device__ PixelWalk(int pixel, int step, int columns)
      : y(pixel / columns), x(pixel % columns), dy_(step / columns), dx_(step % columns), columns_(columns) {}
  __device__ void next() {
    y += dy_;
    x += dx_;
    if (x >= columns_) {
      x -= columns_;
      ++y;
    }
  }
  int y, x;

 private:
  int dy_, dx_, columns_;
};

/// Fetches slices of K: 128 bytes of each pixel (im2col on the fly, zeros outside the picture) and of each channel's
/// weights. A thread copies the same 16 of the 128 bytes of several rows, so it follows one (ky, kx, c) as K advances.
template <MathType kMath, int kTile>
class Fetch {
  static constexpr ConvTile kT = kConvTiles[kTile];
  static constexpr int kBytes = operand_bytes(kMath), kStep = kStepBytes / kBytes;
  static constexpr int kRowsApart = kT.threads() / 8, kPixels = kT.BM / kRowsApart;

 public:
  __device__ Fetch(const Params& p, int pixel_0, int n_0, int step)
      : p_(p), vector_(threadIdx.x % 8), row_(threadIdx.x / 8), n_(n_0 + row_) {
    const int plane = blockIdx.x / p.tiles_m, parity = plane % p.parities;
    const int PH = p.parities == 1 ? p.PH : 1 - parity / 2, PW = p.parities == 1 ? p.PW : 1 - parity % 2;
    x_ = p.x + size_t(plane / p.parities) * p.H * p.W * p.C_in * kBytes;
    const size_t K_bytes = size_t(p.steps) * kStepBytes;
    weights_ = p.weights + (size_t(parity) * p.C_out + n_) * K_bytes + size_t(step) * kStepBytes + vector_ * 16;
    PixelWalk pixel(pixel_0 + row_, kRowsApart, p.columns_out);
#pragma unroll
    for (int i = 0; i < kPixels; ++i, pixel.next()) {
      // A pixel beyond the last lies outside the picture with all its taps.
      y_[i] = pixel.y < p.rows_out ? pixel.y * p.S - PH : -(1 << 20);
      x0_[i] = pixel.x * p.S - PW;
    }
    const int k = step * kStep + vector_ * (16 / kBytes), tap = k / p.C_in;
    c_ = k % p.C_in;
    ky_ = tap / p.KW;
    kx_ = tap % p.KW;
  }

  /// Starts the copies of the next slice to `slice`, (BM + BN) rows, and moves on.
  __device__ void next(unsigned char* slice) {
    // Rows of 128 bytes would put a column into the same banks: vector v of row r lies at v ^ (r % 8).
    unsigned char* to = slice + row_ * kStepBytes + (vector_ ^ row_ % 8) * 16;
#pragma unroll
    for (int i = 0; i < kPixels; ++i) {
      const int y = y_[i] + ky_, x = x0_[i] + kx_;
      const bool inside = unsigned(y) < unsigned(p_.H) && unsigned(x) < unsigned(p_.W) && ky_ < p_.KH;
      const size_t offset = inside ? (size_t(y * p_.W + x) * p_.C_in + c_) * kBytes : 0;
      ptx::cp_async_16(to + i * kRowsApart * kStepBytes, x_ + offset, inside ? 16 : 0);
    }
    to += kT.BM * kStepBytes;
#pragma unroll
    for (int i = 0; i < kT.BN / kRowsApart; ++i) {
      const bool inside = n_ + i * kRowsApart < p_.C_out;
      const size_t offset = inside ? size_t(i) * kRowsApart * p_.steps * kStepBytes : 0;
      ptx::cp_async_16(to + i * kRowsApart * kStepBytes, inside ? weights_ + offset : p_.weights, inside ? 16 : 0);
    }
    weights_ += kStepBytes;
    for (c_ += kStep; c_ >= p_.C_in; c_ -= p_.C_in) {
      if (++kx_ == p_.KW) {
        kx_ = 0;
        ++ky_;
      }
    }
  }

 private:
  const Params& p_;
  int vector_, row_, n_;
  const unsigned char *x_, *weights_;
  int y_[kPixels], x0_[kPixels];
  int ky_, kx_, c_;
};

/// Adds the bias to the tile's sums and stores them, four channels a thread.
template <MathType kMath, int kTile>
__device__ void store_tile(const Params& p, float* sums, int pixel_0, int n_0) {
  constexpr ConvTile kT = kConvTiles[kTile];
  const int plane = blockIdx.x / p.tiles_m, image = plane / p.parities, parity = plane % p.parities;
  const int scale = p.parities == 1 ? 1 : 2, H = p.rows_out * scale, W = p.columns_out * scale;
  constexpr int kQuads = kT.BN / 4, kRowsApart = kT.threads() / kQuads;
  static_assert(kT.threads() % kQuads == 0);
  const int column = threadIdx.x % kQuads * 4, n = n_0 + column, first = threadIdx.x / kQuads;
  if (n >= p.C_out) return;
  PixelWalk pixel(pixel_0 + first, kRowsApart, p.columns_out);
  for (int row = first; row < kT.BM && pixel.y < p.rows_out; row += kRowsApart, pixel.next()) {
    const int y = pixel.y * scale + parity / 2, x = pixel.x * scale + parity % 2;
    float4& sum = *reinterpret_cast<float4*>(sums + row * pitch(kT) + column);
    float4 v = sum;
    if (p.bias) {
      const float4 b = load_4(p.bias + bias_class(image, y, x, H, W, p.border) * p.C_out + n);
      v = {v.x + b.x, v.y + b.y, v.z + b.z, v.w + b.w};
      sum = v;
    }
    const size_t to = ((size_t(image) * H + y) * W + x) * p.C_out + n;
    if (p.y_as_operand) {
      store_4(static_cast<Operand<kMath>*>(p.y) + to, v);
    } else {
      store_4(static_cast<float*>(p.y) + to, v);
    }
  }
}

/// Moments of each strip of the tile in two passes: E[x^2] - mean^2 loses its digits. Four lanes share a channel, each
/// takes every fourth pixel, and they add up in one order, so that a strip's moments do not depend on the tile it is in.
template <int kTile>
__device__ void store_moments(const Params& p, const float* sums, int pixel_0, int n_0) {
  constexpr ConvTile kT = kConvTiles[kTile];
  constexpr int kGroups = kT.BN / 8;  // of eight channels; a warp does one at a time
  const int quarter = lane_id() / 8;
  const auto over_quarters = [](float v) {
    v += __shfl_xor_sync(kAllLanes, v, 8);
    return v + __shfl_xor_sync(kAllLanes, v, 16);
  };
  for (int i = warp_id(); i < kT.BM / kMomentStrip * kGroups; i += kT.threads() / 32) {
    const int strip = i / kGroups, column = i % kGroups * 8 + lane_id() % 8;
    const int count = min(kMomentStrip, p.rows_out * p.columns_out - pixel_0 - strip * kMomentStrip);
    if (count <= 0 || n_0 + i % kGroups * 8 >= p.C_out) continue;  // all lanes alike
    const float* x = sums + strip * kMomentStrip * pitch(kT) + column;

    float sum = 0.f;
    for (int row = quarter; row < count; row += 4) sum += x[row * pitch(kT)];
    const float mean = over_quarters(sum) / float(count);
    float m2 = 0.f;
    for (int row = quarter; row < count; row += 4) {
      const float d = x[row * pitch(kT)] - mean;
      m2 = fmaf(d, d, m2);
    }
    m2 = over_quarters(m2);
    if (quarter > 0) continue;
    const size_t at = size_t(blockIdx.x / p.tiles_m) * p.strips + pixel_0 / kMomentStrip + strip;
    p.moments[at * p.C_out + n_0 + column] = {mean, m2};
  }
}

/// The sums of a split tile: chunk after chunk, each thread's where the same thread of another block will read them.
template <int kTile>
__device__ float4* split_sums(const Params& p, int chunk) {
  constexpr ConvTile kT = kConvTiles[kTile];
  const size_t tile = size_t(blockIdx.x) * gridDim.y + blockIdx.y;
  return reinterpret_cast<float4*>(p.sums) + (tile * p.chunks + chunk) * (kT.BM * kT.BN / 4) + threadIdx.x;
}

/// True in all threads of the block that is the last of its tile's to come here.
__device__ bool is_last_split(const Params& p, int* shared_flag) {
  __syncthreads();  // all threads' sums before the block's arrival, which releases them
  unsigned* counter = p.counters + size_t(blockIdx.x) * gridDim.y + blockIdx.y;
  if (threadIdx.x == 0) {
    *shared_flag = ptx::atom_add_acq_rel(counter, 1) == unsigned(p.splits) - 1;
    if (*shared_flag) *counter = 0;  // for the next call
  }
  __syncthreads();  // the flag is there, and the others' sums are seen by all
  return *shared_flag;
}

template <MathType kMath, int kTile>
__global__ void __launch_bounds__(kConvTiles[kTile].threads()) conv2d_kernel(const Params p) {
  constexpr ConvTile kT = kConvTiles[kTile];
  constexpr int kAccumulators = kT.accumulators(), kStages = kT.stages, kSliceBytes = (kT.BM + kT.BN) * kStepBytes;
  SharedMemory smem;
  auto* slices = smem.take<unsigned char>(tile_bytes(kT));
  int* flag = smem.take<int>(4);

  const int pixel_0 = blockIdx.x % p.tiles_m * kT.BM, n_0 = blockIdx.y * kT.BN;
  const int first_chunk = blockIdx.z * p.chunks / p.splits, end_chunk = (blockIdx.z + 1) * p.chunks / p.splits;
  const int first_step = first_chunk * p.chunk_steps, end_step = min(end_chunk * p.chunk_steps, p.steps);

  Fetch<kMath, kTile> fetch(p, pixel_0, n_0, first_step);
  ptx::start_after_the_kernels_before();
  for (int s = 0; s < kStages - 1; ++s) {
    if (first_step + s < end_step) fetch.next(slices + s * kSliceBytes);
    ptx::cp_async_commit_group();  // also when empty, so that groups count steps
  }

  float total[kAccumulators] = {}, sum[kAccumulators] = {};
  int slot = 0, step = first_step;
  for (int chunk = first_chunk; chunk < end_chunk; ++chunk) {
    for (const int end = min((chunk + 1) * p.chunk_steps, end_step); step < end; ++step) {
      ptx::cp_async_wait_group<kStages - 2>();
      __syncthreads();  // all threads' copies of this slice are there, and nobody reads the slot that is filled next
      if (step + kStages - 1 < end_step) fetch.next(slices + (slot + kStages - 1) % kStages * kSliceBytes);
      ptx::cp_async_commit_group();
      multiply_slice<kMath, kTile>(slices + slot * kSliceBytes, sum);
      slot = slot + 1 == kStages ? 0 : slot + 1;
    }
    if (p.splits > 1) {
      float4* to = split_sums<kTile>(p, chunk);
#pragma unroll
      for (int i = 0; i < kAccumulators; i += 4) {
        __stcg(to + i / 4 * kT.threads(), make_float4(sum[i], sum[i + 1], sum[i + 2], sum[i + 3]));
      }
    }
#pragma unroll
    for (int i = 0; i < kAccumulators; ++i) {
      total[i] += sum[i];
      sum[i] = 0.f;
    }
  }

  if (p.splits > 1) {
    if (!is_last_split(p, flag)) return;
#pragma unroll
    for (int i = 0; i < kAccumulators; ++i) total[i] = 0.f;
    for (int chunk = 0; chunk < p.chunks; ++chunk) {
      const float4* from = split_sums<kTile>(p, chunk);
#pragma unroll
      for (int i = 0; i < kAccumulators; i += 4) {
        const float4 v = __ldcg(from + i / 4 * kT.threads());
        total[i] += v.x;
        total[i + 1] += v.y;
        total[i + 2] += v.z;
        total[i + 3] += v.w;
      }
    }
  }

  ptx::cp_async_wait_group<0>();
  __syncthreads();  // the last slice has been read; its place now takes the sums
  auto* sums = reinterpret_cast<float*>(slices);
#pragma unroll
  for (int i = 0; i < kAccumulators; ++i) {
    const auto [row, column] = place_of<kMath, kTile>(i);
    sums[row * pitch(kT) + column] = total[i];
  }
  __syncthreads();  // all warps' sums are there
  store_tile<kMath, kTile>(p, sums, pixel_0, n_0);
  if (p.moments) {
    __syncthreads();  // with their bias
    store_moments<kTile>(p, sums, pixel_0, n_0);
  }
}

// --- host ---

using Kernel = void (*)(Params);

template <MathType kMath>
Kernel kernel_for(int tile) {
  static constexpr auto kKernels = []<int... kTile>(std::integer_sequence<int, kTile...>) {
    return std::array<Kernel, sizeof...(kTile)>{conv2d_kernel<kMath, kTile>...};
  }
  (std::make_integer_sequence<int, kConvTileCount>());
  return kKernels[tile];
}

Kernel kernel_for(MathType math, int tile) {
  switch (math) {
    case MathType::kF16: return kernel_for<MathType::kF16>(tile);
    case MathType::kBF16: return kernel_for<MathType::kBF16>(tile);
    case MathType::kTF32: return kernel_for<MathType::kTF32>(tile);
    case MathType::kFP32: return kernel_for<MathType::kFP32>(tile);
  }
  fail(ErrorKind::kInternal, "conv2d: there is no math type ", int(math));
}

}  // namespace

void conv2d(MathType math, const ConvShape& s, const ConvPlan& plan, const void* x, const void* weights, void* y,
            bool y_as_operand, const ConvEpilogue& epilogue, const ConvWorkspace& workspace, cudaStream_t stream) {
  check_conv2d(math, s, plan, epilogue, workspace);
  if (s.N == 0) return;
  if (plan.wgmma) return conv2d_wgmma(math, s, plan.tile, x, weights, y, y_as_operand, epilogue, stream);
  const ConvTile& t = kConvTiles[plan.tile];
  const int scale = s.transposed ? 2 : 1;
  const Params p{.x = static_cast<const unsigned char*>(x),
                 .weights = static_cast<const unsigned char*>(weights),
                 .y = y,
                 .bias = epilogue.bias,
                 .moments = epilogue.moments,
                 .sums = workspace.sums,
                 .counters = workspace.counters,
                 .H = s.H,
                 .W = s.W,
                 .C_in = s.C_in,
                 .C_out = s.C_out,
                 .KH = s.KH / scale,
                 .KW = s.KW / scale,
                 .S = s.S / scale,
                 .PH = s.PH,
                 .PW = s.PW,
                 .rows_out = s.H_out() / scale,
                 .columns_out = s.W_out() / scale,
                 .parities = s.parities(),
                 .tiles_m = ceil_div(s.pixels(), t.BM),
                 .strips = s.strips() / s.parities(),
                 .border = epilogue.border,
                 .steps = steps_of(math, s),
                 .chunk_steps = chunk_steps_of(math, s),
                 .chunks = chunks_of(math, s),
                 .splits = plan.splits,
                 .y_as_operand = y_as_operand};
  dim3 grid = grid_of(s, t.BM, t.BN);
  grid.z = plan.splits;
  launch("conv2d", s.out(), kernel_for(math, plan.tile),
         {.grid = grid, .block = t.threads(), .smem = tile_bytes(t) + 16u, .early = true, .stream = stream}, p);
}

}  // namespace emo
