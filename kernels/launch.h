#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <source_location>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/shape.h"

/// How a kernel is launched, how a call of the CUDA runtime is checked, and how a kernel takes shared memory: one way each.
/// tests/simt runs the same sources on the CPU, which is why there is no <<< >>> and no __shared__ anywhere else.

namespace emo {

/// "kernels/conv2d.cu:41" of a longer path.
inline std::string_view short_path(std::string_view path) {
  const auto name = path.rfind('/');
  const auto folder = name == path.npos || name == 0 ? path.npos : path.rfind('/', name - 1);
  return folder == path.npos ? path : path.substr(folder + 1);
}

/// Throws Error(kDevice) unless `result` is cudaSuccess; `what` says in a word or two what was tried.
inline void check_cuda(cudaError_t result, std::string_view what,
                       std::source_location where = std::source_location::current()) {
  if (result == cudaSuccess) return;
  cudaGetLastError();  // else the next check would find this error once more
  fail(ErrorKind::kDevice, "cuda: ", what, ": ", cudaGetErrorString(result), " [", short_path(where.file_name()), ":",
       where.line(), "]");
}

/// Blocks of b that hold a.
template <typename T>
__host__ __device__ constexpr T ceil_div(T a, T b) {
  return (a + b - 1) / b;
}

struct LaunchConfig {
  dim3 grid;                 ///< blocks
  dim3 block;                ///< threads of a block
  std::size_t smem = 0;      ///< bytes of shared memory that the kernel takes through SharedMemory
  unsigned cluster = 1;      ///< blocks along x that share their memory; needs compute capability 9.0
  bool cooperative = false;  ///< all blocks run at the same time
  /// Blocks may start while the kernel before it in the stream still runs, where that is possible (starts_early). Every
  /// thread then calls ptx::griddepcontrol_wait() before it reads or writes device memory.
  bool early = false;
  cudaStream_t stream = nullptr;
  std::source_location where = std::source_location::current();
};

/// Whether the code that is loaded waits by griddepcontrol, and the driver can capture such launches into graphs.
template <typename... Params>
bool starts_early(void (*kernel)(Params...)) {
  cudaFuncAttributes code{};
  int driver = 0;
  check_cuda(cudaFuncGetAttributes(&code, kernel), "what a kernel was compiled for");
  check_cuda(cudaDriverGetVersion(&driver), "the driver's version");
  return code.ptxVersion >= 90 && driver >= 12030;
}

/// Launches `kernel(args...)`. `shape` is only for the text of the error:
///   cuda: instance_norm launch, shape (1,256,32,32): invalid configuration argument [kernels/instance_norm.cu:41]
/// An empty grid is such an error: return before.
template <typename What, typename... Params, typename... Args>
void launch(const char* name, const What& shape, void (*kernel)(Params...), const LaunchConfig& config, Args&&... args) {
  cudaLaunchAttribute attributes[3];
  unsigned count = 0;
  if (config.cluster > 1) {
    attributes[count].id = cudaLaunchAttributeClusterDimension;
    attributes[count++].val.clusterDim = {config.cluster, 1, 1};
  }
  if (config.cooperative) {
    attributes[count].id = cudaLaunchAttributeCooperative;
    attributes[count++].val.cooperative = 1;
  }
  if (config.early && starts_early(kernel)) {
    attributes[count].id = cudaLaunchAttributeProgrammaticStreamSerialization;
    attributes[count++].val.programmaticStreamSerializationAllowed = 1;
  }
  const cudaLaunchConfig_t launch_config{config.grid, config.block, config.smem, config.stream, attributes, count};

  const auto check = [&](cudaError_t result) {
    if (result != cudaSuccess) check_cuda(result, concat(name, " launch, shape ", shape), config.where);
  };
#ifdef EMO_SIMT
  simt::name_kernel(reinterpret_cast<const void*>(kernel), name);
#endif
  if (config.smem > (48u << 10)) {
    check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, int(config.smem)));
  }
  if (config.cluster > 8) check(cudaFuncSetAttribute(kernel, cudaFuncAttributeNonPortableClusterSizeAllowed, 1));
  check(cudaLaunchKernelEx(&launch_config, kernel, std::forward<Args>(args)...));
}

/// Hands out the block's dynamic shared memory, piece after piece. Every thread takes the same pieces in the same order, and
/// the launch gives what they add up to, each rounded up to the alignment of the next:
///   SharedMemory smem;
///   float* tile = smem.take<float>(kRows * kColumns);
/// Uninitialised; on the CPU it starts as NaNs, and each piece lies between guard pages.
class SharedMemory {
 public:
  template <typename T>
  __device__ T* take(std::size_t count, std::size_t align = 16) {
    offset_ = (offset_ + align - 1) / align * align;
    const std::size_t offset = offset_;
    offset_ += count * sizeof(T);
#ifdef EMO_SIMT
    return static_cast<T*>(simt::shared_piece(offset, count * sizeof(T), align));
#elif defined(__CUDACC__)
    extern __shared__ __align__(1024) unsigned char block_memory[];  // 1024: the widest swizzle of TMA and wgmma
    return reinterpret_cast<T*>(block_memory + offset);
#else
    return nullptr;  // a host compiler only reads the header
#endif
  }

 private:
  std::size_t offset_ = 0;
};

}  // namespace emo

/// EMO_CUDA(cudaMemcpyAsync(...)); throws Error(kDevice) with the call and the place.
#define EMO_CUDA(call) ::emo::check_cuda((call), #call)
