#include <cstddef>
#include <cstdint>
#include <span>

#include "base/error.h"
#include "weights/checkpoint.h"

/// Any bytes give tensors that can be read to their last element, or an Error.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const emo::Checkpoint checkpoint(std::as_bytes(std::span(data, size)), "fuzz");
    for (const auto& [key, tensor] : checkpoint.tensors()) {
      if (tensor.count() <= 1 << 16) tensor.contiguous();  // a stride of 0 makes much of little
    }
  } catch (const emo::Error&) {
  }
  return 0;
}
