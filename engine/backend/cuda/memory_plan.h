#pragma once

#include <cstddef>
#include <span>

namespace emo {

/// A buffer of a memory plan: how large it is, from which step to which, both included, it is in use, and where it lies.
struct PlannedBuffer {
  std::size_t bytes = 0;
  int first = 0, last = 0;
  std::size_t offset = 0;  ///< set by place()
};

/// Finds places in one block of memory: buffers in use at the same step lie apart, others may share bytes. The largest is
/// placed first, each as low as it can be. Offsets are multiples of 256, as what cudaMalloc gives is. Returns the bytes that
/// the block needs.
std::size_t place(std::span<PlannedBuffer* const> buffers);

}  // namespace emo
