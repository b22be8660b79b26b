// The host side: device, memory, launches. Streams, events and graphs are in streams.cc.
#include "runtime.h"

#include <cstring>
#include <map>
#include <thread>

#include "guarded.h"
#include "scheduler.h"
#include "simt/simt.h"

namespace simt {
namespace {

State state;
thread_local int selected_device = 0;
constexpr int kRuntimeVersion = 13000;

/// The architecture of the code that this device loads.
int loaded_code() { return std::min(state.device.compiled_for, 10 * state.device.major + state.device.minor); }

}  // namespace

State& the_state() { return state; }

cudaError_t report(cudaError_t error) {
  if (error != cudaSuccess) state.last_error = error;
  return error;
}

cudaError_t device_error() {
  if (state.device.driver < kRuntimeVersion) return cudaErrorInsufficientDriver;
  return state.device.count ? cudaSuccess : cudaErrorNoDevice;
}

void set_seed(std::uint64_t seed) { state.seed = seed; }
void set_workers(int workers) { state.workers = workers; }
void watch_launches(std::function<void(const LaunchRecord&)> watch) { state.watch = std::move(watch); }
std::string last_fault() { return state.fault; }
void set_device(const Device& device) { state.device = device; }
const Device& device() { return state.device; }
std::size_t allocated_bytes() { return state.allocated_bytes; }
std::size_t allocated_bytes_on(int device) {
  const std::lock_guard lock(state.mutex);
  return state.allocated_on[device];
}
int recorded_graphs() {
  const std::lock_guard lock(state.mutex);
  return state.recorded_graphs;
}
int current_device() { return selected_device; }

void reset() {
  forget_queued_work();
  state.sticky = state.last_error = cudaSuccess;
  state.fault.clear();
}

void name_kernel(const void* kernel, const char* name) { state.kernel_names[kernel] = name; }

int blocks_per_multiprocessor(int threads, std::size_t smem_bytes) {
  const int by_threads = threads ? kThreadsPerMultiprocessor / threads : 0;
  const int by_smem = smem_bytes ? int(kSmemPerMultiprocessor / (smem_bytes + 1024)) : by_threads;  // 1 KiB is the system's
  return std::min({by_threads, by_smem, 32});
}

cudaError_t launch(const cudaLaunchConfig_t& config, const void* kernel, std::function<void()> body) {
  Launch l;
  const auto name = state.kernel_names.find(kernel);
  l.name = name == state.kernel_names.end() ? "a kernel" : name->second;
  l.grid = config.gridDim;
  l.block = config.blockDim;
  l.smem_bytes = config.dynamicSmemBytes;
  l.body = std::move(body);
  for (unsigned i = 0; i < config.numAttrs; ++i) {
    const cudaLaunchAttribute& attribute = config.attrs[i];
    if (attribute.id == cudaLaunchAttributeCooperative) l.cooperative = attribute.val.cooperative != 0;
    if (attribute.id == cudaLaunchAttributeProgrammaticStreamSerialization) {
      l.early = attribute.val.programmaticStreamSerializationAllowed != 0;
    }
    if (attribute.id == cudaLaunchAttributeClusterDimension) {
      l.cluster = attribute.val.clusterDim.x;
      if (attribute.val.clusterDim.y * attribute.val.clusterDim.z != 1) return report(cudaErrorInvalidConfiguration);
    }
  }
  const unsigned threads = l.block.x * l.block.y * l.block.z, blocks = l.grid.x * l.grid.y * l.grid.z;
  const auto& limits = state.kernel_limits[kernel];
  const bool fits = threads >= 1 && threads <= 1024 && blocks >= 1 && l.grid.y <= 65535 && l.grid.z <= 65535 &&
                    l.smem_bytes <= limits.smem_bytes && l.cluster >= 1 && l.grid.x % l.cluster == 0 &&
                    l.cluster <= (limits.any_cluster ? 16u : 8u) &&
                    (l.cluster == 1 || (loaded_code() >= 90 && !l.cooperative));
  if (!fits) return report(cudaErrorInvalidConfiguration);
  if (device_of(config.stream) != current_device()) return report(cudaErrorInvalidResourceHandle);
  if (l.cooperative &&
      blocks > unsigned(state.device.multiprocessors * blocks_per_multiprocessor(int(threads), l.smem_bytes))) {
    return report(cudaErrorCooperativeLaunchTooLarge);
  }
  if (state.watch) {
    state.watch({l.name, l.grid, l.block, l.smem_bytes, l.cluster, l.early});
    return cudaSuccess;
  }
  return enqueue(config.stream, [l = std::move(l)] {
    const int workers = state.workers ? state.workers : int(std::thread::hardware_concurrency());
    const std::string fault = run(l, state.seed, workers);
    if (fault.empty()) return cudaSuccess;
    state.fault = fault;
    std::fprintf(stderr, "simt: %s\n", fault.c_str());
    return cudaErrorLaunchFailure;
  });
}

cudaError_t attributes_of(const void*, cudaFuncAttributes* attributes) {
  *attributes = {.ptxVersion = loaded_code()};
  return report(device_error());
}

}  // namespace simt

using namespace simt;

cudaError_t cudaGetLastError() {
  const cudaError_t error = the_state().last_error;
  the_state().last_error = the_state().sticky;
  return error;
}
cudaError_t cudaPeekAtLastError() { return the_state().last_error; }

const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaSuccess: return "cudaSuccess";
    case cudaErrorInvalidValue: return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation: return "cudaErrorMemoryAllocation";
    case cudaErrorInvalidConfiguration: return "cudaErrorInvalidConfiguration";
    case cudaErrorInsufficientDriver: return "cudaErrorInsufficientDriver";
    case cudaErrorNoDevice: return "cudaErrorNoDevice";
    case cudaErrorInvalidDevice: return "cudaErrorInvalidDevice";
    case cudaErrorInvalidResourceHandle: return "cudaErrorInvalidResourceHandle";
    case cudaErrorSymbolNotFound: return "cudaErrorSymbolNotFound";
    case cudaErrorNotReady: return "cudaErrorNotReady";
    case cudaErrorIllegalAddress: return "cudaErrorIllegalAddress";
    case cudaErrorLaunchFailure: return "cudaErrorLaunchFailure";
    case cudaErrorCooperativeLaunchTooLarge: return "cudaErrorCooperativeLaunchTooLarge";
    case cudaErrorStreamCaptureUnsupported: return "cudaErrorStreamCaptureUnsupported";
    case cudaErrorStreamCaptureInvalidated: return "cudaErrorStreamCaptureInvalidated";
  }
  return "unrecognized error code";
}

const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess: return "no error";
    case cudaErrorInvalidValue: return "invalid argument";
    case cudaErrorMemoryAllocation: return "out of memory";
    case cudaErrorInvalidConfiguration: return "invalid configuration argument";
    case cudaErrorInsufficientDriver: return "CUDA driver version is insufficient for CUDA runtime version";
    case cudaErrorNoDevice: return "no CUDA-capable device is detected";
    case cudaErrorInvalidDevice: return "invalid device ordinal";
    case cudaErrorInvalidResourceHandle: return "invalid resource handle";
    case cudaErrorSymbolNotFound: return "named symbol not found";
    case cudaErrorNotReady: return "device not ready";
    case cudaErrorIllegalAddress: return "an illegal memory access was encountered";
    case cudaErrorLaunchFailure: return "unspecified launch failure";
    case cudaErrorCooperativeLaunchTooLarge: return "too many blocks in cooperative launch";
    case cudaErrorStreamCaptureUnsupported: return "operation not permitted when stream is capturing";
    case cudaErrorStreamCaptureInvalidated: return "operation failed due to a previous error during capture";
  }
  return "unrecognized error code";
}

// --- device ---

cudaError_t cudaGetDeviceCount(int* count) {
  *count = device().count;
  return report(device_error());
}

cudaError_t cudaGetDevice(int* index) {
  *index = current_device();
  return report(device_error());
}

cudaError_t cudaSetDevice(int index) {
  if (index < 0 || index >= device().count) return report(cudaErrorInvalidDevice);
  selected_device = index;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int index) {
  if (index < 0 || index >= device().count) return report(cudaErrorInvalidDevice);
  *properties = {.name = "a CPU that plays a GPU",
                 .major = device().major,
                 .minor = device().minor,
                 .multiProcessorCount = device().multiprocessors,
                 .l2CacheSize = 32 << 20,
                 .clockRate = 1'000'000,
                 .totalGlobalMem = device().memory_bytes,
                 .sharedMemPerBlock = kSmemByDefault,
                 .sharedMemPerBlockOptin = kSmemPerMultiprocessor - 1024,
                 .sharedMemPerMultiprocessor = kSmemPerMultiprocessor};
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int index) {
  if (index < 0 || index >= device().count) return report(cudaErrorInvalidDevice);
  switch (attribute) {
    case cudaDevAttrMaxSharedMemoryPerBlock: *value = int(kSmemByDefault); break;
    case cudaDevAttrClockRate: *value = 1'000'000; break;
    case cudaDevAttrMultiProcessorCount: *value = device().multiprocessors; break;
    case cudaDevAttrComputeCapabilityMajor: *value = device().major; break;
    case cudaDevAttrComputeCapabilityMinor: *value = device().minor; break;
    case cudaDevAttrCooperativeLaunch: *value = 1; break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin: *value = int(kSmemPerMultiprocessor - 1024); break;
    case cudaDevAttrClusterLaunch: *value = device().major >= 9; break;
    default: return report(cudaErrorInvalidValue);
  }
  return cudaSuccess;
}

cudaError_t cudaDriverGetVersion(int* version) {
  *version = device().driver;
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = kRuntimeVersion;
  return cudaSuccess;
}

cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute attribute, int value) {
  auto& limits = the_state().kernel_limits[kernel];
  if (attribute == cudaFuncAttributeNonPortableClusterSizeAllowed) limits.any_cluster = value != 0;
  if (attribute == cudaFuncAttributeMaxDynamicSharedMemorySize) {
    if (value < 0 || std::size_t(value) > kSmemPerMultiprocessor - 1024) return report(cudaErrorInvalidValue);
    limits.smem_bytes = std::size_t(value);
  }
  return cudaSuccess;
}

// --- memory ---

namespace {

cudaError_t allocate(std::map<void*, GuardedMemory>& where, void** pointer, std::size_t bytes, const char* what) {
  *pointer = nullptr;
  if (device_error() != cudaSuccess) return report(device_error());
  if (bytes == 0) return cudaSuccess;
  watch_guard_pages();
  // 16 bytes, what a vector load needs, though CUDA aligns to 256: so the guard page lies as close as it can.
  GuardedMemory memory(bytes, 16, what + std::to_string(bytes));
  *pointer = memory.data();
  where.emplace(*pointer, std::move(memory));
  return cudaSuccess;
}

}  // namespace

cudaError_t cudaMalloc(void** pointer, std::size_t bytes) {
  State& s = the_state();
  const std::lock_guard lock(s.mutex);
  if (s.allocated_bytes + bytes > device().memory_bytes) return report(cudaErrorMemoryAllocation);
  const cudaError_t error = allocate(s.device_memory, pointer, bytes, "device memory of bytes: ");
  if (error == cudaSuccess && bytes > 0) {
    s.allocated_bytes += bytes;
    s.allocated_on[current_device()] += bytes;
    s.device_of[*pointer] = current_device();
  }
  return error;
}

cudaError_t cudaFree(void* pointer) {
  if (!pointer) return cudaSuccess;
  State& s = the_state();
  const cudaError_t waited = cudaDeviceSynchronize();
  const std::lock_guard lock(s.mutex);
  const auto found = s.device_memory.find(pointer);
  if (found == s.device_memory.end()) return report(cudaErrorInvalidValue);
  const bool damaged = found->second.damaged();
  s.allocated_bytes -= found->second.bytes();
  s.allocated_on[s.device_of[pointer]] -= found->second.bytes();
  s.device_of.erase(pointer);
  s.device_memory.erase(found);
  if (damaged) {
    s.fault = "a store outside device memory: the margin of an allocation was written";
    return report(cudaErrorIllegalAddress);
  }
  return waited;
}

cudaError_t cudaMallocHost(void** pointer, std::size_t bytes) {
  const std::lock_guard lock(the_state().mutex);
  return allocate(the_state().pinned_memory, pointer, bytes, "pinned memory of bytes: ");
}

cudaError_t cudaHostAlloc(void** pointer, std::size_t bytes, unsigned) { return cudaMallocHost(pointer, bytes); }

cudaError_t cudaFreeHost(void* pointer) {
  if (!pointer) return cudaSuccess;
  const cudaError_t waited = cudaDeviceSynchronize();
  const std::lock_guard lock(the_state().mutex);
  return the_state().pinned_memory.erase(pointer) ? waited : report(cudaErrorInvalidValue);
}

cudaError_t cudaMemGetInfo(std::size_t* free_bytes, std::size_t* total_bytes) {
  *total_bytes = device().memory_bytes;
  *free_bytes = *total_bytes - allocated_bytes();
  return cudaSuccess;
}
