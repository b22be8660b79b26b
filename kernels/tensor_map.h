#pragma once

#include <cuda.h>
#include <cuda_runtime.h>

#include <cstdint>
#include <span>

#include "base/error.h"
#include "kernels/launch.h"

namespace emo {

/// cuTensorMapEncodeTiled of the driver, found at run time, so that the binary starts where there is none; null there.
inline auto tensor_map_encoder() -> decltype(&cuTensorMapEncodeTiled) {
  void* function = nullptr;
  cudaDriverEntryPointQueryResult found{};
  const cudaError_t result =
      cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function, 12000, cudaEnableDefault, &found);
  if (result != cudaSuccess || found != cudaDriverEntryPointSuccess) return nullptr;
  return reinterpret_cast<decltype(&cuTensorMapEncodeTiled)>(function);
}

/// A dense tensor in device memory whose boxes TMA copies; dimension 0 is the innermost.
/// dims   elements; address aligned to 16 bytes, each stride (the product of the dims below it) a multiple of 16 bytes.
/// box    elements, at most 256 each; box[0] is a multiple of 16 bytes and, with a swizzle, at most its span.
/// steps  of the box: 2 takes every second element, as a convolution of stride 2 does.
/// Throws Error(kDevice) where the driver has no tensor maps and (kInternal) for what it does not take.
inline CUtensorMap make_tensor_map(CUtensorMapDataType type, int element_bytes, const void* address,
                                   std::span<const std::uint64_t> dims, std::span<const std::uint32_t> box,
                                   std::span<const std::uint32_t> steps, CUtensorMapSwizzle swizzle) {
  const auto encode = tensor_map_encoder();
  if (!encode) fail(ErrorKind::kDevice, "cuda: this driver has no tensor maps; it needs to be of CUDA 12.0 or newer");
  EMO_CHECK(dims.size() == box.size() && dims.size() == steps.size() && !dims.empty() && dims.size() <= 5,
            "tensor map: ", dims.size(), " dims, ", box.size(), " box extents, ", steps.size(),
            " steps; 1 to 5 of each are needed");
  std::uint64_t strides[5] = {};
  std::uint64_t bytes = std::uint64_t(element_bytes);
  for (std::size_t i = 0; i + 1 < dims.size(); ++i) strides[i] = bytes *= dims[i];
  CUtensorMap map;
  const CUresult result = encode(&map, type, std::uint32_t(dims.size()), const_cast<void*>(address), dims.data(), strides,
                                 box.data(), steps.data(), CU_TENSOR_MAP_INTERLEAVE_NONE, swizzle,
                                 CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  EMO_CHECK(result == CUDA_SUCCESS, "tensor map: a box of ", box[0], " of ", dims[0],
            " elements does not fit what TMA takes (16-byte strides, 256 elements)");
  return map;
}

}  // namespace emo
