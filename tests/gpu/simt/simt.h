#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

/// What tests ask of the runtime on the CPU, where there is a device in its place.
namespace simt {

/// The order of threads is the device's own.
inline void set_seed(std::uint64_t) {}

/// Of the device's memory, by whomever.
inline std::size_t allocated_bytes() {
  std::size_t free = 0, total = 0;
  cudaMemGetInfo(&free, &total);
  return total - free;
}

}  // namespace simt
