#include "engine/backend/cuda/memory_plan.h"

#include <algorithm>
#include <vector>

namespace emo {

std::size_t place(std::span<PlannedBuffer* const> buffers) {
  constexpr std::size_t kAlign = 256;
  std::vector<PlannedBuffer*> left(buffers.begin(), buffers.end()), placed;  // placed: by offset
  std::ranges::stable_sort(left, std::ranges::greater(), &PlannedBuffer::bytes);
  std::size_t size = 0;
  for (PlannedBuffer* buffer : left) {
    buffer->offset = 0;
    for (const PlannedBuffer* other : placed) {
      if (other->last < buffer->first || buffer->last < other->first) continue;
      if (buffer->offset + buffer->bytes <= other->offset) break;  // fits into the gap before it
      const std::size_t end = (other->offset + other->bytes + kAlign - 1) / kAlign * kAlign;
      buffer->offset = std::max(buffer->offset, end);
    }
    placed.insert(std::ranges::upper_bound(placed, buffer->offset, {}, &PlannedBuffer::offset), buffer);
    size = std::max(size, buffer->offset + buffer->bytes);
  }
  return size;
}

}  // namespace emo
