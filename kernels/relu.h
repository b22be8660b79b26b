#pragma once

#include <cuda_runtime.h>

#include <cstddef>

namespace emo {

/// x = max(x, 0) in place; NaN stays NaN. For networks without a normalisation, which has a ReLU of its own.
///
/// x  `count` values, fp32, device, aligned to 16 bytes; count is a multiple of 4.
/// Throws Error for another count, and when the launch fails.
void relu(float* x, std::size_t count, cudaStream_t stream);

}  // namespace emo
