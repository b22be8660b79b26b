#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "kernels/common.cuh"
#include "kernels/conv2d_border.cuh"
#include "kernels/conv2d_cut.h"
#include "kernels/conv2d_wgmma.cuh"
#include "kernels/operands.cuh"
#include "kernels/tensor_map.h"

namespace emo {
namespace {

using namespace conv2d_by_wgmma;

/// Adds the bias, stores, and takes the moments of a strip. The sums go through shared memory, so that a warp has whole
/// rows: every fourth, which is a quarter of the moments' sums (see store_moments in conv2d.cu, whose order this is).
template <MathType kMath, int kTile>
__device__ void store(const Params& p, const Part<kTile>& part, float* sums, float* exchange,
                      const float (&total)[kWgmmaTiles[kTile].BN / 2]) {
  constexpr WgmmaTile kT = kWgmmaTiles[kTile];
  constexpr int kPitch = kT.BN + 8, kRows = kStrip / 4, kChannels = kT.BN / 32;  // the last two of a thread
  const int group = warp_id() / 4, quarter = warp_id() % 4, lane = lane_id();
  const auto meet = [&] { ptx::bar_sync(2 + group, 128); };
  sums += group * kStrip * kPitch;
  exchange += group * 2 * 4 * kT.BN;

#pragma unroll
  for (int i = 0; i < kT.BN / 2; i += 2) {
    const int row = quarter * 16 + lane / 4 + i / 2 % 2 * 8, column = i / 4 * 8 + lane % 4 * 2;
    *reinterpret_cast<float2*>(sums + row * kPitch + column) = make_float2(total[i], total[i + 1]);
  }
  meet();  // a row is of one warp's lanes, a warp's rows are not

  const int scale = p.parities == 1 ? 1 : 2, H = p.rows_out * scale, W = p.columns_out * scale;
  const int pixel_0 = part.pixel_0 + group * kStrip, n = part.n_0 + lane * kChannels;
  const int y_0 = pixel_0 / p.columns_out, x_0 = pixel_0 % p.columns_out;
  const int count = n < p.C_out ? min(kStrip, p.rows_out * p.columns_out - pixel_0) : 0;
  float v[kRows][kChannels];
#pragma unroll
  for (int i = 0; i < kRows; ++i) load_channels(sums + (quarter + 4 * i) * kPitch + lane * kChannels, v[i]);

  const auto y_of = [&](int row) { return (y_0 + (row >> p.width_bits)) * scale + part.parity / 2; };
  const auto x_of = [&](int row) { return (x_0 + (row & ((1 << p.width_bits) - 1))) * scale + part.parity % 2; };
  const auto add = [](float(&sums_of_row)[kChannels], const float(&bias)[kChannels]) {
#pragma unroll
    for (int c = 0; c < kChannels; ++c) sums_of_row[c] += bias[c];
  };
  float bias[kChannels] = {};
  if (p.border > 0) {
#pragma unroll
    for (int i = 0; i < kRows; ++i) {
      const int row = quarter + 4 * i;
      if (row >= count) continue;
      load_channels(p.bias + bias_class(part.image, y_of(row), x_of(row), H, W, p.border) * p.C_out + n, bias);
      add(v[i], bias);
    }
  } else if (p.bias && count > 0) {
    load_channels(p.bias + n, bias);
#pragma unroll
    for (int i = 0; i < kRows; ++i) add(v[i], bias);
  }
  const auto store_rows = [&](auto* y) {
#pragma unroll
    for (int i = 0; i < kRows; ++i) {
      const int row = quarter + 4 * i;
      if (row < count) store_channels(y + ((size_t(part.image) * H + y_of(row)) * W + x_of(row)) * p.C_out + n, v[i]);
    }
  };
  if (p.y_as_operand) {
    store_rows(static_cast<Operand<kMath>*>(p.y));
  } else {
    store_rows(static_cast<float*>(p.y));
  }
  if (!p.moments) return;

  // The sums of the four quarters of a channel, in every warp.
  const auto over_quarters = [&](float* place, float(&part_sum)[kChannels]) {
    store_channels(place + quarter * kT.BN + lane * kChannels, part_sum);
    meet();
#pragma unroll
    for (int c = 0; c < kChannels; ++c) {
      const float* of = place + lane * kChannels + c;
      part_sum[c] = (of[0] + of[kT.BN]) + (of[2 * kT.BN] + of[3 * kT.BN]);
    }
  };
  float mean[kChannels] = {}, m2[kChannels] = {};
#pragma unroll
  for (int i = 0; i < kRows; ++i) {
#pragma unroll
    for (int c = 0; c < kChannels; ++c) mean[c] += quarter + 4 * i < count ? v[i][c] : 0.f;
  }
  over_quarters(exchange, mean);
#pragma unroll
  for (int c = 0; c < kChannels; ++c) mean[c] /= float(max(count, 1));
#pragma unroll
  for (int i = 0; i < kRows; ++i) {
#pragma unroll
    for (int c = 0; c < kChannels; ++c) {
      const float d = quarter + 4 * i < count ? v[i][c] - mean[c] : 0.f;
      m2[c] = fmaf(d, d, m2[c]);
    }
  }
  over_quarters(exchange + 4 * kT.BN, m2);
  if (quarter > 0 || count <= 0) return;
  Moments* to = p.moments + (size_t(part.plane) * p.strips + pixel_0 / kStrip) * p.C_out + n;
#pragma unroll
  for (int c = 0; c < kChannels; ++c) to[c] = {mean[c], m2[c]};
}

template <MathType kMath, int kTile>
__global__ void __launch_bounds__(WgmmaTile::threads(), kWgmmaTiles[kTile].blocks)
    conv2d_wgmma_kernel(const __grid_constant__ Params p) {
#ifdef EMO_SM90A
  constexpr WgmmaTile kT = kWgmmaTiles[kTile];
  constexpr bool kClustered = kT.cluster() > 1;
  SharedMemory smem;
  const Ring<kTile> ring(smem);
  auto* exchange = smem.take<float>(2 * 2 * 4 * kT.BN);
  const Part<kTile> part(p);
  if (threadIdx.x == WgmmaTile::kConsumers) {
    ptx::prefetch_tensormap(&p.x);
    ptx::prefetch_tensormap(&p.weights);
  }
  __syncthreads();  // the ring's barriers are there
  if constexpr (kClustered) {
    ptx::barrier_cluster_arrive_relaxed();  // in every block, after the fence of its init
    ptx::barrier_cluster_wait();
  }
  const auto has_left_cluster = [] {  // this warp, with its last copies and arrivals
    if constexpr (kClustered) ptx::barrier_cluster_arrive_relaxed();
  };
  ptx::start_after_the_kernels_before();
  if (warp_id() == WgmmaTile::kConsumerWarps) {
    if (lane_id() == 0) fetch<kTile>(p, part, ring);
    __syncwarp();
    has_left_cluster();
  } else {
    float total[kT.BN / 2] = {};
    multiply<kMath, kTile>(p, part, ring, total);
    has_left_cluster();
    ptx::bar_sync(1, WgmmaTile::kConsumers);  // the last stages have been read; their place now takes the sums
    store<kMath, kTile>(p, part, reinterpret_cast<float*>(ring.stages), exchange, total);
  }
  if constexpr (kClustered) ptx::barrier_cluster_wait();  // nobody reaches for a block that has ended
#endif
}

// --- host ---

/// Of every block: 64 bytes more than the ring's stages and barriers for their alignment, and the moments' exchange.
constexpr unsigned smem_bytes(const WgmmaTile& t) {
  return unsigned(t.stages * (t.stage_bytes() + 16) + 2 * 2 * 4 * t.BN * int(sizeof(float)) + 64);
}

using Kernel = void (*)(Params);

template <MathType kMath>
Kernel kernel_for(int tile) {
  static constexpr auto kKernels = []<int... kTile>(std::integer_sequence<int, kTile...>) {
    return std::array<Kernel, sizeof...(kTile)>{conv2d_wgmma_kernel<kMath, kTile>...};
  }
  (std::make_integer_sequence<int, kWgmmaTileCount>());
  return kKernels[tile];
}

int strip_width(const ConvShape& s) { return std::min(s.transposed ? s.W : s.W_out(), kStrip); }

/// Every S-th pixel becomes a neighbour, so that a stride needs no steps of the box: as many bytes as it needs are fetched.
CUtensorMap pixels_map(CUtensorMapDataType type, const ConvShape& s, const void* x) {
  const auto S = std::uint64_t(s.transposed ? 1 : s.S);
  const auto width = std::uint32_t(strip_width(s));
  const std::uint64_t dims[] = {S * s.C_in, s.W / S, S, s.H / S, std::uint64_t(s.N)};
  const std::uint32_t box[] = {kBoxChannels, width, 1, kStrip / width, 1}, steps[] = {1, 1, 1, 1, 1};
  return make_tensor_map(type, 2, x, dims, box, steps, CU_TENSOR_MAP_SWIZZLE_128B);
}

CUtensorMap weights_map(CUtensorMapDataType type, const ConvShape& s, const WgmmaTile& t, const void* weights) {
  const std::uint64_t dims[] = {std::uint64_t(s.taps()) * s.C_in, std::uint64_t(s.parities()) * s.C_out};
  const std::uint32_t box[] = {kBoxChannels, std::uint32_t(t.BN / t.cluster_m)}, steps[] = {1, 1};
  return make_tensor_map(type, 2, weights, dims, box, steps, CU_TENSOR_MAP_SWIZZLE_128B);
}

}  // namespace

void conv2d_wgmma(MathType math, const ConvShape& s, int tile, const void* x, const void* weights, void* y,
                  bool y_as_operand, const ConvEpilogue& epilogue, cudaStream_t stream) {
  const WgmmaTile& t = kWgmmaTiles[tile];
  const bool half = math == MathType::kF16;
  const auto type = half ? CU_TENSOR_MAP_DATA_TYPE_FLOAT16 : CU_TENSOR_MAP_DATA_TYPE_BFLOAT16;
  const int scale = s.transposed ? 2 : 1;
  const dim3 grid = grid_of(s, WgmmaTile::BM, t.BN);
  const Params p{.x = pixels_map(type, s, x),
                 .weights = weights_map(type, s, t, weights),
                 .y = y,
                 .bias = epilogue.bias,
                 .moments = epilogue.moments,
                 .C_in = s.C_in,
                 .C_out = s.C_out,
                 .KW = s.KW / scale,
                 .S = s.S / scale,
                 .PH = s.PH,
                 .PW = s.PW,
                 .rows_out = s.H_out() / scale,
                 .columns_out = s.W_out() / scale,
                 .width_bits = std::countr_zero(unsigned(strip_width(s))),
                 .parities = s.parities(),
                 .tiles_m = ceil_div(s.pixels(), WgmmaTile::BM),
                 .tiles_n = int(grid.y),
                 .strips = s.strips() / s.parities(),
                 .border = epilogue.border,
                 .steps = steps_of(math, s),
                 .chunk_steps = chunk_steps_of(math, s),
                 .y_as_operand = y_as_operand};
  launch("conv2d wgmma", s.out(), half ? kernel_for<MathType::kF16>(tile) : kernel_for<MathType::kBF16>(tile),
         {.grid = grid.x * grid.y,
          .block = unsigned(WgmmaTile::threads()),
          .smem = smem_bytes(t),
          .cluster = unsigned(t.cluster()),
          .early = true,
          .stream = stream},
         p);
}

}  // namespace emo
