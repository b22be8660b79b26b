#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "simt/vector_types.h"

/// What a test may ask of the CUDA-on-CPU runtime. What kernels and host code use is in cuda_runtime.h and simt/device.h.
namespace simt {

/// The order in which warps and lanes run: 0 is ascending, 1 descending, any other a shuffle of its own.
/// A kernel without races gives the same bytes under every seed.
void set_seed(std::uint64_t seed);

/// Blocks (clusters) of an ordinary grid that may run at the same time, each on an OS thread of its own; the machine's
/// cores by default. A cooperative grid always runs on one.
void set_workers(int workers);

/// A launch as the runtime was asked for it.
struct LaunchRecord {
  std::string name;
  dim3 grid, block;
  std::size_t smem_bytes = 0;
  unsigned cluster = 1;
  bool early = false;  ///< programmatic dependent launch
};
/// From now on launches are checked and given to `watch`, and their kernels do not run; null runs them again.
void watch_launches(std::function<void(const LaunchRecord&)> watch);

/// What the last faulty kernel did wrong: "conv2d: block (0,0,0) ... deadlock: ...". Empty when none did since reset().
std::string last_fault();

/// Forgets a sticky error and everything that is still queued, as a new process would.
void reset();

/// The device that the runtime plays: 1 device of compute capability 9.0 with 8 multiprocessors and 4 GiB unless told.
struct Device {
  int count = 1;       ///< 0: the driver finds no GPU
  int driver = 13000;  ///< CUDA version of the driver, 0 for none; an older one than the runtime's 13.0 answers nothing
  int major = 9, minor = 0;
  int compiled_for = 90;  ///< the newest architecture that kernels were compiled for; 90 is compute capability 9.0
  int multiprocessors = 8;
  std::size_t memory_bytes = std::size_t(4) << 30;
  bool tensor_maps = true;  ///< false: the driver knows no cuTensorMapEncodeTiled
};
void set_device(const Device& device);
const Device& device();

/// Device memory that is allocated now, in bytes.
std::size_t allocated_bytes();
/// The same on one device alone.
std::size_t allocated_bytes_on(int device);
/// Graphs that were instantiated so far.
int recorded_graphs();

}  // namespace simt
