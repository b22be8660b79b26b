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

/// Every tile is compiled for every MathType: 4 x 4 kernels an architecture.
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

}  // namespace emo
