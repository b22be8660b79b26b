// Counts what the engine allocates: activations come from aligned_alloc (HostBuffer), everything else of ours from new.
// Left out under ThreadSanitizer: it must see that oneDNN itself calls delete (tests/tsan.supp), not this file.
#ifndef __SANITIZE_THREAD__
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "tests/cpu/narrow_generator.h"

namespace {

std::atomic<std::size_t> tensor_bytes{0}, largest_new{0};

}  // namespace

extern "C" void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
  tensor_bytes += size;
  void* p = nullptr;
  return posix_memalign(&p, alignment, size) == 0 ? p : nullptr;
}

// Never inlined: GCC 12 takes the malloc inside for the caller's and warns of a delete that does not match it.
[[gnu::noinline]] void* operator new(std::size_t size) {
  for (std::size_t seen = largest_new; size > seen && !largest_new.compare_exchange_weak(seen, size);) {
  }
  if (void* p = std::malloc(size)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }

namespace emo {
namespace {

TEST(GeneratorMemory, NoTensorIsAllocatedAfterTheFirstCall) {
  const Model model(narrow(32, 2, 32));
  const auto backend = model.open();
  Batch batch(3, 32);
  backend->generate(batch.call());
  tensor_bytes = largest_new = 0;
  for (int i = 0; i < 3; ++i) backend->generate(batch.call());
  EXPECT_EQ(tensor_bytes, 0u);
  EXPECT_LT(largest_new, 4096u);  // descriptors of a strip; the smallest activation, (128,8,8), has 32 KiB
}

TEST(GeneratorMemory, ActivationsTakeTheSameAtAnyDepthAndBatch) {
  const auto needed = [](int res_blocks, int N) {
    const Model model(narrow(32, res_blocks, 32));
    const auto backend = model.open();
    Batch batch(N, 32);
    tensor_bytes = 0;
    backend->generate(batch.call());
    return tensor_bytes.load();
  };
  const std::size_t one = needed(1, 1);
  EXPECT_GE(one, 2 * 32 * 32 * 32 * sizeof(float));  // what a convolution reads and what it writes
  EXPECT_EQ(needed(8, 1), one);
  EXPECT_EQ(needed(1, 5), one);
}

}  // namespace
}  // namespace emo
#endif
