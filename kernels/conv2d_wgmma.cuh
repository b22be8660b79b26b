#pragma once

#include <cuda.h>
#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/common.cuh"
#include "kernels/conv2d.h"
#include "kernels/launch.h"
#include "kernels/ptx_sm90.h"
#include "kernels/wgmma.h"

/// The loop over K of conv2d's wgmma kernel: one warp fetches the operands by TMA into a ring of stages in shared memory,
/// two warpgroups multiply.
namespace emo::conv2d_by_wgmma {

inline constexpr int kStrip = WgmmaTile::kStrip, kBoxChannels = kStepBytes / 2;
static_assert(kStrip == kMomentStrip);  // a warpgroup has the pixels of a pair of moments

struct Params {
  CUtensorMap x;  // (N, H/S, S, W/S, S*C_in): every S-th pixel is a neighbour; boxes of 64 output pixels' x 64 channels
  CUtensorMap weights;  // (parity and C_out, K)
  void* y;
  const float* bias;
  Moments* moments;
  int C_in, C_out;
  int KW, S, PH, PW;          // of one parity
  int rows_out, columns_out;  // of one parity
  int width_bits;             // of a strip, which is a power of two pixels wide
  int parities, tiles_m, tiles_n, strips, border;
  int steps, chunk_steps;
  bool y_as_operand;
};

/// What a block computes: two strips of pixels from pixel_0 x BN channels from n_0. Clusters are neighbours in channels, so
/// that the second level cache serves pixels to all channels at one time.
template <int kTile>
struct Part {
  static constexpr WgmmaTile kT = kWgmmaTiles[kTile];
  int rank_m, rank_n;  ///< in the cluster
  int plane, image, parity, pixel_0, n_0;

  __device__ explicit Part(const Params& p) {
    const int rank = int(blockIdx.x) % kT.cluster(), cluster = int(blockIdx.x) / kT.cluster();
    const int clusters_n = p.tiles_n / kT.cluster_n;
    rank_m = rank / kT.cluster_n;
    rank_n = rank % kT.cluster_n;
    const int tile_m = cluster / clusters_n * kT.cluster_m + rank_m, tile_n = cluster % clusters_n * kT.cluster_n + rank_n;
    plane = tile_m / p.tiles_m;
    image = plane / p.parities;
    parity = plane % p.parities;
    pixel_0 = tile_m % p.tiles_m * kT.BM;
    n_0 = tile_n * kT.BN;
  }

  /// Blocks of the cluster with the same pixels, a bit each; and with the same channels.
  __device__ unsigned same_pixels() const { return ((1u << kT.cluster_n) - 1) << rank_m * kT.cluster_n; }
  __device__ unsigned same_channels() const { return (kT.cluster_m == 2 ? 1u | 1u << kT.cluster_n : 1u) << rank_n; }
  static_assert(kT.cluster_m <= 2 && kT.cluster_n <= 2);
};

/// Stages of shared memory between the warp that fetches and those that multiply. `full` counts the bytes of a stage;
/// `empty` the warps that are done with it, in every block that this one fetches for: what is for all must have room in all.
template <int kTile>
struct Ring {
  static constexpr WgmmaTile kT = kWgmmaTiles[kTile];
  unsigned char* stages;
  std::uint64_t *full, *empty;
  int slot = 0;
  unsigned round = 0;

  __device__ explicit Ring(SharedMemory& smem)
      : stages(smem.take<unsigned char>(kT.stages * kT.stage_bytes(), 1024)),
        full(smem.take<std::uint64_t>(kT.stages)),
        empty(smem.take<std::uint64_t>(kT.stages)) {
    if (threadIdx.x == 0) {
      for (int s = 0; s < kT.stages; ++s) {
        ptx::mbarrier_init(full + s, 1);
        ptx::mbarrier_init(empty + s, WgmmaTile::kConsumerWarps * (kT.cluster_m + kT.cluster_n - 1));
      }
      ptx::fence_mbarrier_init();
    }
  }
  __device__ unsigned char* stage() const { return stages + slot * kT.stage_bytes(); }
  __device__ void advance() {
    if (++slot == kT.stages) {
      slot = 0;
      ++round;
    }
  }
};

/// A box for these blocks of the cluster, or for this one alone.
template <bool kMulticast, typename... Coordinates>
__device__ void load(void* to, const CUtensorMap* map, std::uint64_t* full, unsigned blocks, Coordinates... at) {
  if constexpr (kMulticast) {
    ptx::tma_load_multicast(to, map, full, std::uint16_t(blocks), at...);
  } else {
    ptx::tma_load(to, map, full, at...);
  }
}

/// One thread's part: the operands of every step, as stages become free.
template <int kTile>
__device__ void fetch(const Params& p, const Part<kTile>& part, Ring<kTile> ring) {
  constexpr WgmmaTile kT = kWgmmaTiles[kTile];
  constexpr int kRows = kT.BN / kT.cluster_m, kStrips = kT.kStrips / kT.cluster_n;  // this block's shares
  const int PH = p.parities == 1 ? p.PH : 1 - part.parity / 2, PW = p.parities == 1 ? p.PW : 1 - part.parity % 2;
  const int first_strip = part.rank_n * kStrips, first_row = part.rank_m * kRows;
  int x[kStrips], y[kStrips];
#pragma unroll
  for (int i = 0; i < kStrips; ++i) {
    const int pixel = part.pixel_0 + (first_strip + i) * kStrip;
    y[i] = pixel / p.columns_out;
    x[i] = pixel % p.columns_out;
  }
  int c = 0, kx = 0, ky = 0;
  for (int step = 0; step < p.steps; ++step) {
    std::uint64_t* full = ring.full + ring.slot;
    ptx::mbarrier_wait_parity<ptx::Scope::kCta>(ring.empty + ring.slot, ring.round % 2 ^ 1);
    ptx::mbarrier_arrive_expect_tx(full, kT.stage_bytes());

    // Input pixel S * o + k - P of output pixel o is number o + q of the S-th pixels after the r-th; S is 1 or 2.
    const int qy = (ky - PH) >> (p.S - 1), ry = (ky - PH) & (p.S - 1);
    const int qx = (kx - PW) >> (p.S - 1), rx = (kx - PW) & (p.S - 1);
    unsigned char* to = ring.stage() + first_strip * WgmmaTile::kStripBytes;
#pragma unroll
    for (int i = 0; i < kStrips; ++i, to += WgmmaTile::kStripBytes) {
      load<(kT.cluster_n > 1)>(to, &p.x, full, part.same_pixels(), rx * p.C_in + c, x[i] + qx, ry, y[i] + qy, part.image);
    }
    load<(kT.cluster_m > 1)>(ring.stage() + (kT.BM + first_row) * kStepBytes, &p.weights, full, part.same_channels(),
                             step * kBoxChannels, part.parity * p.C_out + part.n_0 + first_row);

    if ((c += kBoxChannels) == p.C_in) {
      c = 0;
      if (++kx == p.KW) {
        kx = 0;
        ++ky;
      }
    }
    ring.advance();
  }
}

template <MathType kMath, int kN>
__device__ void multiply_16(float (&sum)[kN / 2], std::uint64_t pixels, std::uint64_t weights, bool accumulate) {
  if constexpr (kMath == MathType::kF16) ptx::wgmma_m64k16_f16<kN>(sum, pixels, weights, accumulate);
  if constexpr (kMath == MathType::kBF16) ptx::wgmma_m64k16_bf16<kN>(sum, pixels, weights, accumulate);
}

/// This warp has no more use for the stage: tells those who fill it, who have to wait for that before they end.
template <int kTile>
__device__ void release(const Part<kTile>& part, const Ring<kTile>& ring, int slot) {
  if constexpr (kWgmmaTiles[kTile].cluster() > 1) {
    const bool fills = (part.same_pixels() | part.same_channels()) >> lane_id() & 1;
    if (fills) ptx::mbarrier_arrive_cluster<ptx::Scope::kCta>(ring.empty + slot, lane_id());
  } else {
    if (lane_id() == 0) ptx::mbarrier_arrive(ring.empty + slot);
  }
}

/// A warpgroup's part: the sums of its strip. One product is always under way while the next is issued, but for the ends of
/// chunks, when the other warpgroup has the tensor cores.
template <MathType kMath, int kTile>
__device__ void multiply(const Params& p, const Part<kTile>& part, Ring<kTile> ring,
                         float (&total)[kWgmmaTiles[kTile].BN / 2]) {
  constexpr int kN = kWgmmaTiles[kTile].BN, kStages = kWgmmaTiles[kTile].stages;
  const int group = warp_id() / 4;
  float sum[kN / 2] = {};
  for (int step = 0; step < p.steps;) {
    const int first = step, end = min(step + p.chunk_steps, p.steps);
    int before = 0;  // the stage of step - 1
    // The last stages are not filled again, so nobody waits for their release: it could reach a block that has ended.
    const auto release_before = [&] {
      if (step - 1 + kStages < p.steps) release(part, ring, before);
    };
    for (; step < end; ++step) {
      const auto pixels =
          ptx::wgmma_descriptor(ring.stage() + group * WgmmaTile::kStripBytes, ptx::Swizzle::k128, 8 * kStepBytes);
      const auto weights =
          ptx::wgmma_descriptor(ring.stage() + 2 * WgmmaTile::kStripBytes, ptx::Swizzle::k128, 8 * kStepBytes);
      ptx::mbarrier_wait_parity<ptx::Scope::kCta>(ring.full + ring.slot, ring.round % 2);
      ptx::wgmma_fence();
#pragma unroll
      for (int k = 0; k < kBoxChannels / 16; ++k) {
        multiply_16<kMath, kN>(sum, pixels + 2 * k, weights + 2 * k, k > 0 || step > first);
      }
      ptx::wgmma_commit_group();
      if (step > first) {
        ptx::wgmma_wait_group<1>();
        release_before();
      }
      before = ring.slot;
      ring.advance();
    }
    ptx::wgmma_wait_group<0>(sum);
    release_before();
#pragma unroll
    for (int i = 0; i < kN / 2; ++i) total[i] += sum[i];
  }
}

}  // namespace emo::conv2d_by_wgmma
