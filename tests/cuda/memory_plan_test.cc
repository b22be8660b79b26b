#include "engine/backend/cuda/memory_plan.h"

#include <gtest/gtest.h>

#include <vector>

#include "engine/backend/cuda/generator_plan.h"
#include "tests/cpu/narrow_generator.h"

namespace emo {
namespace {

bool overlap(const PlannedBuffer& a, const PlannedBuffer& b) {
  const bool in_time = a.first <= b.last && b.first <= a.last;
  return in_time && a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;
}

TEST(MemoryPlan, WhatIsInUseAtTheSameTimeLiesApart) {
  std::vector<PlannedBuffer> buffers;
  for (int i = 0; i < 60; ++i) {  // lengths and lives that neither nest nor repeat
    buffers.push_back({std::size_t(i * 7919 % 5000), i * 31 % 50, i * 31 % 50 + i * 13 % 17});
  }
  std::vector<PlannedBuffer*> pointers;
  for (PlannedBuffer& buffer : buffers) pointers.push_back(&buffer);
  const std::size_t size = place(pointers);
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    EXPECT_EQ(buffers[i].offset % 256, 0u);
    EXPECT_LE(buffers[i].offset + buffers[i].bytes, size);
    for (std::size_t j = 0; j < i; ++j) EXPECT_FALSE(overlap(buffers[i], buffers[j])) << i << " and " << j;
  }
}

TEST(MemoryPlan, BuffersThatFollowEachOtherShareAPlace) {
  PlannedBuffer a{1000, 0, 1}, b{600, 1, 2}, c{1000, 2, 3}, d{300, 3, 3};
  PlannedBuffer* const all[] = {&a, &b, &c, &d};
  EXPECT_EQ(place(all), 1024u + 600);
  EXPECT_EQ(c.offset, a.offset);
  EXPECT_EQ(d.offset, b.offset);
}

TEST(MemoryPlan, ActivationsTakeTheSameAtAnyDepth) {
  const auto bytes = [](int res_blocks) {
    return GeneratorPlan(narrow(32, res_blocks, 32), MathType::kF16, 32, 3, {.multiprocessors = 8}).bytes;
  };
  EXPECT_EQ(bytes(2), bytes(9));
}

/// The second level cache of an A100 has 40 MiB, that of an H100 50.
TEST(MemoryPlan, TheFullNetworkStaysInTheCache) {
  for (const bool wgmma : {false, true}) {
    const GeneratorPlan plan({}, MathType::kF16, 128, 1, {.multiprocessors = 132, .wgmma = wgmma});
    EXPECT_LT(plan.bytes, std::size_t(10) << 20);
    std::size_t apart = 0;  // 18 convolutions, each with buffers of its own
    for (const auto& row : plan.rows) apart += row.input.bytes + row.sums.bytes + row.split_sums.bytes;
    EXPECT_LT(3 * plan.bytes, apart);
  }
}

}  // namespace
}  // namespace emo
