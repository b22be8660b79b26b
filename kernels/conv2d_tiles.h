#pragma once

#include <cuda_runtime.h>

namespace emo {

/// K goes through a block in steps of so many bytes of each pixel and channel; the packed weights are filled up to it.
inline constexpr int kStepBytes = 128;

/// The shape in which a block works: BM pixels x BN output channels by warps_m x warps_n warps, `stages` slices of K in
/// flight. A tile decides how fast an answer comes and never what it is.
struct ConvTile {
  int BM, BN, warps_m, warps_n, stages;

  __host__ __device__ constexpr int threads() const { return 32 * warps_m * warps_n; }
  __host__ __device__ constexpr int warp_rows() const { return BM / warps_m; }
  __host__ __device__ constexpr int warp_columns() const { return BN / warps_n; }
  __host__ __device__ constexpr int accumulators() const { return warp_rows() * warp_columns() / 32; }  ///< of a thread
};

/// Every tile is compiled for every MathType: 4 x 4 kernels an architecture, and on sm_90a the 4 x 2 below.
inline constexpr ConvTile kConvTiles[] = {
    // clang-format off
    // BM   BN  warps  stages   pipeline       what it is for
    { 128, 128, 2, 4,  3},   //  96 KiB   large batches: 64 multiplications for a value fetched
    { 128,  64, 2, 2,  3},   //  72 KiB   64 channels; batches that leave multiprocessors without a 128 x 128
    {  64,  64, 2, 2,  4},   //  64 KiB   batch 1: three blocks a multiprocessor hide each other's waits
    { 128,  32, 4, 1,  3},   //  60 KiB   the heads
    // clang-format on
};
inline constexpr int kConvTileCount = sizeof(kConvTiles) / sizeof(ConvTile);

/// The shape in which a block of the wgmma kernel works: two warpgroups, a strip of 64 pixels each, x BN output channels,
/// fed by a ninth warp. The blocks of a cluster have neighbouring pixels and the same channels; each fetches a share of the
/// weights for all of them.
struct WgmmaTile {
  int BN, stages, cluster, blocks;  ///< blocks: of a multiprocessor, as registers and shared memory allow

  static constexpr int kStrip = 64, kStripBytes = kStrip * kStepBytes, BM = 2 * kStrip;
  static constexpr int kConsumers = 2 * BM, kConsumerWarps = kConsumers / 32;
  __host__ __device__ static constexpr int threads() { return kConsumers + 32; }
  __host__ __device__ constexpr int stage_bytes() const { return (BM + BN) * kStepBytes; }
};

inline constexpr WgmmaTile kWgmmaTiles[] = {
    // clang-format off
    // BN  stages cluster blocks  pipeline   what it is for
    { 128, 6,     2,      1},  //  192 KiB   more than 64 channels: weights cross the second level cache's port once for two
    { 128, 6,     1,      1},  //  192 KiB   planes of an odd number of tiles
    {  64, 4,     1,      2},  //   96 KiB   64 channels; batches that leave multiprocessors without a 128 x 128
    {  32, 4,     1,      2},  //   80 KiB   the heads
    // clang-format on
};
inline constexpr int kWgmmaTileCount = sizeof(kWgmmaTiles) / sizeof(WgmmaTile);

}  // namespace emo
