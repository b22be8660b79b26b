#pragma once

#include <bit>
#include <cstdint>

#include "simt/device.h"

namespace simt {

// Without a branch, so that loops over them become vector code. Exact, subnormals, infinities and NaNs included.
inline float widen_half(std::uint32_t h) {
  const std::uint32_t magnitude = (h & 0x7fffu) << 13;
  const std::uint32_t finite = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) * 0x1p112f);
  const std::uint32_t special = (h & 0x7c00u) == 0x7c00u ? 0x7f800000u | magnitude : 0;
  return std::bit_cast<float>((special ? special : finite) | (h & 0x8000u) << 16);
}

/// The tensor core reads 19 bits of a tf32 operand and drops the rest: kernels round with cvt.rna.tf32 first.
inline float widen_tf32(std::uint32_t word) { return std::bit_cast<float>(word & 0xffffe000u); }

/// The two 16-bit values of a word; the second `stride` floats after the first.
inline void widen_pair(MatrixType type, std::uint32_t word, float* to, int stride) {
  if (type == MatrixType::kF16) {
    to[0] = widen_half(word & 0xffffu);
    to[stride] = widen_half(word >> 16);
  } else {
    to[0] = std::bit_cast<float>(word << 16);
    to[stride] = std::bit_cast<float>(word & 0xffff0000u);
  }
}

}  // namespace simt
