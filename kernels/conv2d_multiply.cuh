#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/common.cuh"
#include "kernels/conv2d.h"
#include "kernels/ptx.h"

/// A warp's share of a block's tile: products of one slice of K. Rows of a slice are 128 bytes of K, first BM pixels, then
/// BN output channels; the 16 bytes v of row r lie at v ^ (r % 8).
namespace emo {

template <int kTile>
struct WarpTile {
  static constexpr ConvTile kT = kConvTiles[kTile];
  static constexpr int kRows = kT.warp_rows(), kColumns = kT.warp_columns();
  __device__ static int first_row() { return warp_id() / kT.warps_n * kRows; }
  __device__ static int first_column() { return warp_id() % kT.warps_n * kColumns; }
};

__device__ inline const unsigned char* swizzled(const unsigned char* rows, int row, int vector) {
  return rows + row * kStepBytes + (vector ^ row % 8) * 16;
}

/// sum += pixels * weights over one slice. With mma, sum is [16-row group][8-column group][4]; with kFP32 it is
/// [row][column] of rows 8 and columns 4 apart.
template <MathType kMath, int kTile>
__device__ void multiply_slice(const unsigned char* slice, float (&sum)[kConvTiles[kTile].accumulators()]) {
  using Warp = WarpTile<kTile>;
  const unsigned char* pixels = slice + Warp::first_row() * kStepBytes;
  const unsigned char* weights = slice + (Warp::kT.BM + Warp::first_column()) * kStepBytes;
  const int lane = lane_id();

  if constexpr (kMath == MathType::kFP32) {
    constexpr int kRows = Warp::kRows / 8, kColumns = Warp::kColumns / 4;
#pragma unroll 1  // eight copies of 256 multiplications would not fit the instruction cache
    for (int vector = 0; vector < 8; ++vector) {
      float4 a[kRows];
#pragma unroll
      for (int i = 0; i < kRows; ++i) {
        a[i] = *reinterpret_cast<const float4*>(swizzled(pixels, lane / 4 + 8 * i, vector));
      }
#pragma unroll
      for (int j = 0; j < kColumns; ++j) {
        const float4 b = *reinterpret_cast<const float4*>(swizzled(weights, lane % 4 + 4 * j, vector));
#pragma unroll
        for (int i = 0; i < kRows; ++i) {
          float& s = sum[i * kColumns + j];
          s = fmaf(a[i].w, b.w, fmaf(a[i].z, b.z, fmaf(a[i].y, b.y, fmaf(a[i].x, b.x, s))));
        }
      }
    }
  } else {
    constexpr int kRows = Warp::kRows / 16, kColumns = Warp::kColumns / 8;
#pragma unroll
    for (int k = 0; k < 4; ++k) {  // 32 bytes of K an instruction, whatever the type
      std::uint32_t a[kRows][4], b[kColumns / 2][4];
#pragma unroll
      for (int i = 0; i < kRows; ++i) {
        ptx::ldmatrix_x4(a[i], swizzled(pixels, i * 16 + lane % 16, 2 * k + lane / 16));
        if constexpr (kMath == MathType::kTF32) {  // the weights were rounded when they were packed
          for (std::uint32_t& word : a[i]) word = ptx::cvt_rna_tf32(__uint_as_float(word));
        }
      }
#pragma unroll
      for (int j = 0; j < kColumns / 2; ++j) {
        ptx::ldmatrix_x4(b[j], swizzled(weights, j * 16 + lane / 16 * 8 + lane % 8, 2 * k + lane / 8 % 2));
      }
#pragma unroll
      for (int i = 0; i < kRows; ++i) {
#pragma unroll
        for (int j = 0; j < kColumns; ++j) {
          auto& d = reinterpret_cast<float(&)[4]>(sum[(i * kColumns + j) * 4]);
          const std::uint32_t columns[2] = {b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]};
          if constexpr (kMath == MathType::kF16) ptx::mma_m16n8k16_f16(d, a[i], columns);
          if constexpr (kMath == MathType::kBF16) ptx::mma_m16n8k16_bf16(d, a[i], columns);
          if constexpr (kMath == MathType::kTF32) ptx::mma_m16n8k8_tf32(d, a[i], columns);
        }
      }
    }
  }
}

struct Place {
  int row, column;
};

/// Where in the block's tile a thread's sum[i] belongs.
template <MathType kMath, int kTile>
__device__ Place place_of(int i) {
  using Warp = WarpTile<kTile>;
  const int lane = lane_id();
  if constexpr (kMath == MathType::kFP32) {
    constexpr int kColumns = Warp::kColumns / 4;
    return {Warp::first_row() + lane / 4 + i / kColumns * 8, Warp::first_column() + lane % 4 + i % kColumns * 4};
  } else {
    constexpr int kColumns = Warp::kColumns / 8;
    const int group = i / 4;
    return {Warp::first_row() + group / kColumns * 16 + lane / 4 + i % 4 / 2 * 8,
            Warp::first_column() + group % kColumns * 8 + lane % 4 * 2 + i % 2};
  }
}

}  // namespace emo
