#pragma once

#include <cstdint>

/// What tests ask of the runtime on the CPU, where there is a device in its place.
namespace simt {

/// The order of threads is the device's own.
inline void set_seed(std::uint64_t) {}

}  // namespace simt
