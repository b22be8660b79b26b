// The runtime's own tests. Each kernel here is small and most are wrong on purpose: what matters is that the fault is seen.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "buffer.h"
#include "kernels/common.cuh"
#include "kernels/launch.h"
#include "kernels/ptx.h"
#include "simt/simt.h"
#include "tests/throws.h"

namespace emo {
namespace {

using ::testing::HasSubstr;

struct Runtime : ::testing::Test {
  ~Runtime() override {
    simt::reset();
    simt::set_seed(0);
  }
};

// The text of the fault of this launch; empty when it ran well.
template <typename... Params, typename... Args>
std::string fault_of(void (*kernel)(Params...), LaunchConfig config, Args... args) {
  simt::reset();
  launch("planted", "of a test", kernel, config, args...);
  cudaDeviceSynchronize();
  return simt::last_fault();
}

__global__ void reverse(const int* in, int* out, bool with_barrier) {
  SharedMemory smem;
  int* tile = smem.take<int>(blockDim.x);
  tile[threadIdx.x] = in[blockIdx.x * blockDim.x + threadIdx.x];
  if (with_barrier) __syncthreads();
  out[blockIdx.x * blockDim.x + threadIdx.x] = tile[blockDim.x - 1 - threadIdx.x];
}

std::vector<int> reversed(bool with_barrier, std::uint64_t seed) {
  constexpr int kThreads = 96, kBlocks = 3;
  std::vector<int> in(kThreads * kBlocks);
  for (int i = 0; i < int(in.size()); ++i) in[i] = i;
  const Buffer<int> from(in), to(in.size());
  simt::set_seed(seed);
  launch("reverse", "(288)", reverse, {.grid = kBlocks, .block = kThreads, .smem = kThreads * sizeof(int)}, from.get(),
         to.get(), with_barrier);
  return to.host();
}

TEST_F(Runtime, BarrierGivesTheSameBytesUnderEverySeed) {
  const std::vector<int> want = reversed(true, 0);
  EXPECT_EQ(want[0], 95);
  EXPECT_EQ(want[287], 192);
  for (std::uint64_t seed = 1; seed < 8; ++seed) EXPECT_EQ(reversed(true, seed), want) << seed;
}

TEST_F(Runtime, MissingBarrierShowsUnderEverySeed) {
  for (std::uint64_t seed = 0; seed < 8; ++seed) EXPECT_NE(reversed(false, seed), reversed(true, 0)) << seed;
}

__global__ void sum_kernel(const float* in, float* out) {
  SharedMemory smem;
  const float sum = block_sum<256>(in[threadIdx.x], smem.take<float>(8));
  out[threadIdx.x] = sum;
}

TEST_F(Runtime, BlockSumIsTheSameInEveryThread) {
  std::vector<float> in(256);
  for (int i = 0; i < 256; ++i) in[i] = float(i);
  const Buffer<float> from(in), to(256);
  for (std::uint64_t seed = 0; seed < 4; ++seed) {
    simt::set_seed(seed);
    launch("sum", "(256)", sum_kernel, {.grid = 1, .block = 256, .smem = 32}, from.get(), to.get());
    for (const float v : to.host()) ASSERT_EQ(v, 255 * 128);
  }
}

__global__ void half_a_warp_shuffles(int* out) {
  if (threadIdx.x < 16) out[threadIdx.x] = __shfl_xor_sync(kAllLanes, int(threadIdx.x), 1);
}

TEST_F(Runtime, MissingLaneOfAShuffleIsReported) {
  const Buffer<int> out(32);
  for (std::uint64_t seed = 0; seed < 4; ++seed) {
    simt::set_seed(seed);
    EXPECT_THAT(fault_of(half_a_warp_shuffles, {.grid = 1, .block = 32}, out.get()), HasSubstr("ended"));
  }
}

__global__ void one_thread_stays_away() {
  if (threadIdx.x != 33) __syncthreads();
}

TEST_F(Runtime, DeadlockNamesKernelBlockAndThreads) {
  EXPECT_EQ(
      fault_of(one_thread_stays_away, {.grid = 1, .block = 64}),
      "planted: deadlock: block (0,0,0) thread (0,0,0) waits for a barrier of its block; block (0,0,0) thread (1,0,0) waits "
      "for "
      "a barrier of its block; block (0,0,0) thread (2,0,0) waits for a barrier of its block; block (0,0,0) thread (3,0,0) "
      "waits for a barrier of its block; 63 threads wait, 1 have ended");
}

__global__ void copy_async(const float* in, float* out, bool wait) {
  SharedMemory smem;
  float* tile = smem.take<float>(128);
  ptx::cp_async_16(tile + threadIdx.x * 4, in + threadIdx.x * 4, threadIdx.x == 31 ? 8 : 16);
  ptx::cp_async_commit_group();
  if (wait) ptx::cp_async_wait_group<0>();
  __syncthreads();
  for (int i = 0; i < 4; ++i) out[i * 32 + threadIdx.x] = tile[i * 32 + threadIdx.x];
}

TEST_F(Runtime, CpAsyncLandsAtItsWaitOnly) {
  const Buffer<float> in(std::vector<float>(128, 3.f)), out(128);
  launch("copy", "(128)", copy_async, {.grid = 1, .block = 32, .smem = 512}, in.get(), out.get(), true);
  EXPECT_EQ(out.host()[125], 3.f);
  EXPECT_EQ(out.host()[127], 0.f);  // zero-filled
  launch("copy", "(128)", copy_async, {.grid = 1, .block = 32, .smem = 512}, in.get(), out.get(), false);
  for (const float v : out.host()) EXPECT_TRUE(std::isnan(v));
}

}  // namespace
}  // namespace emo
