#pragma once

#include <cstdint>

#include "base/dtype.h"
#include "simt/vector_types.h"

// The part of cuda_fp16.h that this project uses. Conversions to half round to nearest, ties to even.

struct __half {
  std::uint16_t __x;
  __half() = default;
  explicit __half(float v) : __x(emo::float_to_half(v)) {}
  explicit operator float() const { return emo::half_to_float(__x); }
};
struct alignas(4) __half2 {
  __half x, y;
};
using half = __half;
using half2 = __half2;

inline __half __float2half(float v) { return __half(v); }
inline __half __float2half_rn(float v) { return __half(v); }
inline float __half2float(__half v) { return float(v); }
inline __half2 __floats2half2_rn(float x, float y) { return {__half(x), __half(y)}; }
inline __half2 __float22half2_rn(float2 v) { return {__half(v.x), __half(v.y)}; }
inline float2 __half22float2(__half2 v) { return {float(v.x), float(v.y)}; }
inline float __low2float(__half2 v) { return float(v.x); }
inline float __high2float(__half2 v) { return float(v.y); }
inline __half2 __halves2half2(__half x, __half y) { return {x, y}; }
inline std::uint16_t __half_as_ushort(__half v) { return v.__x; }
inline __half __ushort_as_half(std::uint16_t bits) {
  __half v;
  v.__x = bits;
  return v;
}
