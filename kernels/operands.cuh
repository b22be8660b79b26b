#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstring>
#include <type_traits>

#include "kernels/conv2d.h"

/// Operands of a MathType in memory, some channels at a time.
namespace emo {

template <MathType kMath>
using Operand =
    std::conditional_t<kMath == MathType::kF16, __half, std::conditional_t<kMath == MathType::kBF16, __nv_bfloat16, float>>;

/// Rounds to nearest, ties to even. `to` is aligned to four values; so is `from`.
__device__ inline void store_4(float* to, float4 v) { *reinterpret_cast<float4*>(to) = v; }
__device__ inline float4 load_4(const float* from) { return *reinterpret_cast<const float4*>(from); }

// As words, since nvcc makes two accesses of two pairs.
template <typename Pair>
__device__ void store_pairs(void* to, const Pair (&pairs)[2]) {
  uint2 words;
  memcpy(&words, pairs, sizeof words);
  *static_cast<uint2*>(to) = words;
}
template <typename Pair>
__device__ void load_pairs(const void* from, Pair (&pairs)[2]) {
  const uint2 words = *static_cast<const uint2*>(from);
  memcpy(pairs, &words, sizeof words);
}

__device__ inline void store_4(__half* to, float4 v) {
  store_pairs<__half2>(to, {__floats2half2_rn(v.x, v.y), __floats2half2_rn(v.z, v.w)});
}
__device__ inline void store_4(__nv_bfloat16* to, float4 v) {
  store_pairs<__nv_bfloat162>(to, {__floats2bfloat162_rn(v.x, v.y), __floats2bfloat162_rn(v.z, v.w)});
}
__device__ inline float4 load_4(const __half* from) {
  __half2 pairs[2];
  load_pairs(from, pairs);
  const float2 a = __half22float2(pairs[0]), b = __half22float2(pairs[1]);
  return {a.x, a.y, b.x, b.y};
}
__device__ inline float4 load_4(const __nv_bfloat16* from) {
  __nv_bfloat162 pairs[2];
  load_pairs(from, pairs);
  const float2 a = __bfloat1622float2(pairs[0]), b = __bfloat1622float2(pairs[1]);
  return {a.x, a.y, b.x, b.y};
}

/// The 4, 2 or 1 channels of a thread whose warp has 128, 64 or 32; aligned to as many values.
template <int kCount>
__device__ void load_channels(const float* from, float (&v)[kCount]) {
  static_assert(kCount == 4 || kCount == 2 || kCount == 1);
  if constexpr (kCount == 4) {
    const float4 four = load_4(from);
    v[0] = four.x, v[1] = four.y, v[2] = four.z, v[3] = four.w;
  } else if constexpr (kCount == 2) {
    const float2 two = *reinterpret_cast<const float2*>(from);
    v[0] = two.x, v[1] = two.y;
  } else {
    v[0] = *from;
  }
}

__device__ inline void store_2(float* to, float2 v) { *reinterpret_cast<float2*>(to) = v; }
__device__ inline void store_2(__half* to, float2 v) { *reinterpret_cast<__half2*>(to) = __float22half2_rn(v); }
__device__ inline void store_2(__nv_bfloat16* to, float2 v) {
  *reinterpret_cast<__nv_bfloat162*>(to) = __float22bfloat162_rn(v);
}

template <typename T, int kCount>
__device__ void store_channels(T* to, const float (&v)[kCount]) {
  static_assert(kCount == 4 || kCount == 2 || kCount == 1);
  if constexpr (kCount == 4) {
    store_4(to, {v[0], v[1], v[2], v[3]});
  } else if constexpr (kCount == 2) {
    store_2(to, {v[0], v[1]});
  } else {
    *to = T(v[0]);
  }
}

}  // namespace emo
