#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <unordered_map>

#include "guarded.h"
#include "simt/host_api.h"
#include "simt/simt.h"

/// What the host side of the runtime shares among its files.
namespace simt {

constexpr std::size_t kSmemByDefault = 48 << 10;
constexpr std::size_t kSmemPerMultiprocessor = 228 << 10;
constexpr int kThreadsPerMultiprocessor = 2048;

struct KernelLimits {
  std::size_t smem_bytes = kSmemByDefault;
  bool any_cluster = false;
};

struct State {
  std::recursive_mutex mutex;  // of everything below; held while work is done, so one thing at a time is
  std::uint64_t seed = 0;
  int workers = 0;
  Device device;
  std::string fault;
  cudaError_t last_error = cudaSuccess;
  cudaError_t sticky = cudaSuccess;  // once a kernel has failed, every call gives this until reset()
  std::size_t allocated_bytes = 0;
  std::map<int, std::size_t> allocated_on;  // by device
  std::map<void*, int> device_of;           // of device memory
  int recorded_graphs = 0;
  std::map<void*, GuardedMemory> device_memory, pinned_memory;
  std::unordered_map<const void*, std::string> kernel_names;
  std::unordered_map<const void*, KernelLimits> kernel_limits;
  std::function<void(const LaunchRecord&)> watch;
};
State& the_state();

/// Keeps the error for cudaGetLastError, and returns it.
cudaError_t report(cudaError_t error);

/// Whether the device answers at all: no driver, an old one, no GPU.
cudaError_t device_error();

/// The device that this thread has selected.
int current_device();
/// The device on which a stream was made; the selected one for the default stream.
int device_of(cudaStream_t stream);

/// Puts work at the end of a stream, or into the graph that is being captured.
using Work = std::function<cudaError_t()>;
cudaError_t enqueue(cudaStream_t stream, Work work);
void forget_queued_work();

}  // namespace simt
