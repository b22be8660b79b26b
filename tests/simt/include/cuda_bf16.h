#pragma once

#include <cstdint>

#include "base/dtype.h"
#include "simt/vector_types.h"

// The part of cuda_bf16.h that this project uses. Conversions to bf16 round to nearest, ties to even.

struct __nv_bfloat16 {
  std::uint16_t __x;
  __nv_bfloat16() = default;
  explicit __nv_bfloat16(float v) : __x(emo::float_to_bf16(v)) {}
  explicit operator float() const { return emo::bf16_to_float(__x); }
};
struct alignas(4) __nv_bfloat162 {
  __nv_bfloat16 x, y;
};

inline __nv_bfloat16 __float2bfloat16(float v) { return __nv_bfloat16(v); }
inline __nv_bfloat16 __float2bfloat16_rn(float v) { return __nv_bfloat16(v); }
inline float __bfloat162float(__nv_bfloat16 v) { return float(v); }
inline __nv_bfloat162 __floats2bfloat162_rn(float x, float y) { return {__nv_bfloat16(x), __nv_bfloat16(y)}; }
inline __nv_bfloat162 __float22bfloat162_rn(float2 v) { return {__nv_bfloat16(v.x), __nv_bfloat16(v.y)}; }
inline float2 __bfloat1622float2(__nv_bfloat162 v) { return {float(v.x), float(v.y)}; }
inline float __low2float(__nv_bfloat162 v) { return float(v.x); }
inline float __high2float(__nv_bfloat162 v) { return float(v.y); }
inline std::uint16_t __bfloat16_as_ushort(__nv_bfloat16 v) { return v.__x; }
inline __nv_bfloat16 __ushort_as_bfloat16(std::uint16_t bits) {
  __nv_bfloat16 v;
  v.__x = bits;
  return v;
}
