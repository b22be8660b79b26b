#pragma once

#include <cstddef>

namespace simt {

/// Where TMA and wgmma keep the byte of this shared address: the 16-byte chunk within a row of `span` bytes (16: no swizzle;
/// 32, 64 or 128) is xor-ed with as many address bits above the 128-byte line.
constexpr std::size_t swizzle(std::size_t address, std::size_t span) {
  return address ^ ((address >> 7 & (span / 16 - 1)) << 4);
}

}  // namespace simt
