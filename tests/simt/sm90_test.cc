// Clusters, mbarrier, TMA and wgmma: right against plain loops, and wrong in each way that must be seen.
#include <cuda_fp16.h>

#include "kernels/common.cuh"
#include "kernels/tensor_map.h"
#include "kernels/wgmma.h"
#include "planted.h"

namespace emo {
namespace {

using ::testing::HasSubstr;

// --- clusters ---

__global__ void ring(int* out, bool wait) {
  SharedMemory smem;
  int* mine = smem.take<int>(32);
  const int rank = ptx::cluster_ctarank();
  mine[threadIdx.x] = int(blockIdx.x * 100 + threadIdx.x);
  ptx::barrier_cluster_arrive();
  if (wait) ptx::barrier_cluster_wait();
  out[blockIdx.x * 32 + threadIdx.x] = ptx::mapa(mine, (rank + 1) % 4)[threadIdx.x];
  ptx::barrier_cluster_arrive();  // nobody ends while its memory is read
  ptx::barrier_cluster_wait();
}

TEST(Cluster, BlocksReadEachOthersMemory) {
  for_each_seed([] {
    const Buffer<int> out(8 * 32);
    launch("ring", "(8,32)", ring, {.grid = 8, .block = 32, .smem = 128, .cluster = 4}, out.get(), true);
    const auto got = out.host();
    for (int i = 0; i < 8 * 32; ++i) EXPECT_EQ(got[std::size_t(i)], (i / 32 / 4 * 4 + (i / 32 + 1) % 4) * 100 + i % 32);
  });
}

TEST(Cluster, MissingWaitIsReported) {
  const Buffer<int> out(4 * 32);
  for_each_seed(
      [&] { EXPECT_NE(fault_of(ring, {.grid = 4, .block = 32, .smem = 128, .cluster = 4}, out.get(), false), ""); });
}

// --- programmatic dependent launch ---

__global__ void add_early(int* value, bool wait) {
  ptx::griddepcontrol_launch_dependents();
  if (wait || threadIdx.x != 33) ptx::griddepcontrol_wait();
  atomicAdd(value, 1);
}

TEST(EarlyLaunch, MissingWaitIsReported) {
  const Buffer<int> value(std::vector<int>{0});
  const LaunchConfig config{.grid = 2, .block = 64, .early = true};
  for_each_seed([&] {
    EXPECT_EQ(fault_of(add_early, config, value.get(), true), "");
    EXPECT_THAT(fault_of(add_early, config, value.get(), false),
                HasSubstr("lane 1 ended without griddepcontrol.wait; launched early, it may have run before"));
  });
}

TEST(EarlyLaunch, OnlyWhereTheCodeWaitsAndTheDriverCapturesIt) {
  const Buffer<int> value(std::vector<int>{0});
  bool early = false;
  simt::watch_launches([&](const simt::LaunchRecord& launch) { early = launch.early; });
  const auto asked = [&](const simt::Device& device) {
    simt::set_device(device);
    launch("add", "()", add_early, {.grid = 1, .block = 64, .early = true}, value.get(), true);
    return early;
  };
  EXPECT_TRUE(asked({}));
  EXPECT_FALSE(asked({.major = 8}));
  EXPECT_FALSE(asked({.major = 12, .compiled_for = 80}));
  simt::set_device({});
  launch("add", "()", add_early, {.grid = 1, .block = 64}, value.get(), true);
  EXPECT_FALSE(early);
  simt::watch_launches(nullptr);
}

// --- mbarrier ---

__global__ void broadcast(float* out, bool wait, bool expect) {
  SharedMemory smem;
  float* h = smem.take<float>(4);
  auto* barrier = smem.take<std::uint64_t>(1);
  const int rank = ptx::cluster_ctarank();
  if (threadIdx.x == 0) {
    ptx::mbarrier_init(barrier, 1);
    ptx::fence_mbarrier_init();
    if (expect) {
      ptx::mbarrier_arrive_expect_tx(barrier, 16);
    } else {
      ptx::mbarrier_arrive(barrier);
    }
  }
  ptx::barrier_cluster_arrive();
  ptx::barrier_cluster_wait();
  if (threadIdx.x < 4) ptx::st_async(h + rank, float(rank + 1), barrier, int(threadIdx.x));
  if (wait) ptx::mbarrier_wait_parity(barrier, 0);
  if (threadIdx.x < 4) out[blockIdx.x * 4 + threadIdx.x] = h[threadIdx.x];
  ptx::barrier_cluster_arrive();
  ptx::barrier_cluster_wait();
}

std::vector<float> broadcasted(bool wait, bool expect) {
  const Buffer<float> out(16);
  launch("broadcast", "(4,4)", broadcast, {.grid = 4, .block = 32, .smem = 24, .cluster = 4}, out.get(), wait, expect);
  return out.host();
}

TEST(Mbarrier, CountsWhatOthersSend) {
  for_each_seed([] {
    const auto got = broadcasted(true, true);
    for (std::size_t i = 0; i < 16; ++i) EXPECT_EQ(got[i], float(i % 4 + 1));
  });
}

TEST(Mbarrier, MissingWaitOrExpectLeavesNaNs) {
  for_each_seed([] {
    for (const float v : broadcasted(false, true)) EXPECT_TRUE(std::isnan(v));
    for (const float v : broadcasted(true, false)) EXPECT_TRUE(std::isnan(v));
  });
}

// Two stages between a producer warp and a consumer warp, as in a pipeline.
__global__ void pipeline(const int* in, int* out, int n, bool producer_waits) {
  SharedMemory smem;
  int* stage = smem.take<int>(2 * 32);
  auto* full = smem.take<std::uint64_t>(2);
  auto* empty = smem.take<std::uint64_t>(2);
  if (threadIdx.x < 2) {
    ptx::mbarrier_init(full + threadIdx.x, 32);
    ptx::mbarrier_init(empty + threadIdx.x, 32);
  }
  __syncthreads();
  const int lane = lane_id();
  for (int i = 0; i < n; ++i) {
    const int s = i % 2;
    const unsigned round = unsigned(i) / 2 % 2;
    if (warp_id() == 0) {
      if (producer_waits) ptx::mbarrier_wait_parity(empty + s, round ^ 1);
      stage[s * 32 + lane] = in[i * 32 + lane];
      ptx::mbarrier_arrive(full + s);
    } else {
      ptx::mbarrier_wait_parity(full + s, round);
      out[i * 32 + lane] = stage[s * 32 + 31 - lane];
      ptx::mbarrier_arrive(empty + s);
    }
  }
}

TEST(Mbarrier, PipelineOfTwoStages) {
  constexpr int kSteps = 7;
  std::vector<int> in(kSteps * 32);
  for (std::size_t i = 0; i < in.size(); ++i) in[i] = int(i);
  const Buffer<int> from(in);
  const LaunchConfig config{.grid = 1, .block = 64, .smem = 288};
  for_each_seed([&] {
    const Buffer<int> to(in.size());
    EXPECT_EQ(fault_of(pipeline, config, from.get(), to.get(), kSteps, true), "");
    const auto got = to.host();
    for (int i = 0; i < kSteps * 32; ++i) EXPECT_EQ(got[std::size_t(i)], i / 32 * 32 + 31 - i % 32);
    EXPECT_THAT(fault_of(pipeline, config, from.get(), to.get(), kSteps, false), HasSubstr("planted: "));
  });
}

__global__ void nobody_arrives(bool init) {
  SharedMemory smem;
  auto* barrier = smem.take<std::uint64_t>(1);
  if (init && threadIdx.x == 0) ptx::mbarrier_init(barrier, 2);
  __syncthreads();
  if (threadIdx.x == 0) ptx::mbarrier_arrive(barrier);
  ptx::mbarrier_wait_parity(barrier, 0);
}

TEST(Mbarrier, DeadlockAndMissingInitAreReported) {
  for_each_seed([] {
    EXPECT_THAT(fault_of(nobody_arrives, {.grid = 1, .block = 32, .smem = 8}, true), HasSubstr("deadlock"));
    EXPECT_THAT(fault_of(nobody_arrives, {.grid = 1, .block = 32, .smem = 8}, false), HasSubstr("before mbarrier.init"));
  });
}

// --- TMA ---

constexpr int kW = 19, kH = 7, kC = 64;  // the tensor, channels innermost
constexpr int kBoxW = 5, kBoxH = 3;      // the box
constexpr int kBoxBytes = kBoxW * kBoxH * kC * 2;

enum Plan { kRight, kNoWait, kNoFence, kNoExpect };

__global__ void load_box(const __grid_constant__ CUtensorMap map, std::uint16_t* out, int x, int y, Plan plan) {
  SharedMemory smem;
  auto* box = smem.take<std::uint16_t>(kBoxBytes / 2, 1024);
  auto* barrier = smem.take<std::uint64_t>(1);
  if (threadIdx.x == 0) {
    ptx::mbarrier_init(barrier, 1);
    if (plan != kNoFence) ptx::fence_mbarrier_init();
    ptx::tma_load(box, &map, barrier, 0, x, y);
    if (plan == kNoExpect) {
      ptx::mbarrier_arrive(barrier);
    } else {
      ptx::mbarrier_arrive_expect_tx(barrier, kBoxBytes);
    }
  }
  __syncthreads();
  if (plan != kNoWait) ptx::mbarrier_wait_parity(barrier, 0);
  for (int i = threadIdx.x; i < kBoxBytes / 2; i += blockDim.x) out[i] = box[i];
}

std::vector<std::uint16_t> numbers(std::size_t count) {
  std::vector<std::uint16_t> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = std::uint16_t(i + 1);
  return values;
}

CUtensorMap map_of(const std::uint16_t* tensor, std::uint32_t step, CUtensorMapSwizzle swizzle, int channels = kC) {
  const std::uint64_t dims[] = {kC, kW, kH};
  const std::uint32_t box[] = {std::uint32_t(channels), kBoxW * step, kBoxH * step}, steps[] = {1, step, step};
  return make_tensor_map(CU_TENSOR_MAP_DATA_TYPE_FLOAT16, 2, tensor, dims, box, steps, swizzle);
}

const LaunchConfig kLoadConfig{.grid = 1, .block = 64, .smem = kBoxBytes + 16};

TEST(Tma, BoxWithSwizzleStepsAndZerosOutside) {
  const auto tensor = numbers(kW * kH * kC);
  const Buffer<std::uint16_t> in(tensor), out(kBoxBytes / 2);
  for (const auto swizzle : {CU_TENSOR_MAP_SWIZZLE_NONE, CU_TENSOR_MAP_SWIZZLE_128B}) {
    for (const int step : {1, 2}) {
      for (const int x : {-2, 3, 16}) {
        const int y = x == 3 ? 2 : x == 16 ? 5 : -1;
        launch("load_box", "(5,3)", load_box, kLoadConfig, map_of(in, std::uint32_t(step), swizzle), out.get(), x, y,
               kRight);
        const auto got = out.host();
        for (int i = 0; i < kBoxBytes / 2; ++i) {
          const int c = i % kC, w = x + i / kC % kBoxW * step, h = y + i / kC / kBoxW * step;
          const bool inside = w >= 0 && w < kW && h >= 0 && h < kH;
          // 128-byte rows: the 16-byte chunk c / 8 of row r lies at chunk (c / 8) ^ (r % 8).
          const int at = swizzle ? i / kC * kC + ((c / 8) ^ (i / kC % 8)) * 8 + c % 8 : i;
          ASSERT_EQ(got[std::size_t(at)], inside ? tensor[std::size_t((h * kW + w) * kC + c)] : 0) << x << ' ' << i;
        }
      }
    }
  }
}

TEST(Tma, MissingWaitExpectOrFenceShows) {
  const Buffer<std::uint16_t> in(numbers(kW * kH * kC)), out(kBoxBytes / 2);
  const CUtensorMap map = map_of(in, 1, CU_TENSOR_MAP_SWIZZLE_NONE);
  for (const Plan plan : {kNoWait, kNoExpect}) {
    launch("load_box", "(5,3)", load_box, kLoadConfig, map, out.get(), 0, 0, plan);
    EXPECT_EQ(out.host()[0], 0xffff);
  }
  EXPECT_THAT(fault_of(load_box, kLoadConfig, map, out.get(), 0, 0, kNoFence), HasSubstr("no fence.mbarrier_init"));
}

__global__ void load_for_all(const __grid_constant__ CUtensorMap map, std::uint16_t* out) {
  SharedMemory smem;
  auto* box = smem.take<std::uint16_t>(64 * 8, 1024);
  auto* barrier = smem.take<std::uint64_t>(1);
  if (threadIdx.x == 0) {
    ptx::mbarrier_init(barrier, 1);
    ptx::fence_mbarrier_init();
    ptx::mbarrier_arrive_expect_tx(barrier, 1024);
  }
  ptx::barrier_cluster_arrive();
  ptx::barrier_cluster_wait();
  if (threadIdx.x == 0 && ptx::cluster_ctarank() == 0) ptx::tma_load_multicast(box, &map, barrier, 0b101, 0, 2);
  if (ptx::cluster_ctarank() != 1) ptx::mbarrier_wait_parity(barrier, 0);
  for (int i = threadIdx.x; i < 512; i += blockDim.x) out[blockIdx.x * 512 + i] = box[i];
  ptx::barrier_cluster_arrive();
  ptx::barrier_cluster_wait();
}

TEST(Tma, MulticastReachesTheBlocksOfItsMask) {
  const auto tensor = numbers(16 * 64);
  const Buffer<std::uint16_t> in(tensor), out(3 * 512);
  const std::uint64_t dims[] = {64, 16};
  const std::uint32_t box[] = {64, 8}, steps[] = {1, 1};
  const auto map =
      make_tensor_map(CU_TENSOR_MAP_DATA_TYPE_FLOAT16, 2, in.get(), dims, box, steps, CU_TENSOR_MAP_SWIZZLE_NONE);
  launch("load_for_all", "(3,512)", load_for_all, {.grid = 3, .block = 32, .smem = 1040, .cluster = 3}, map, out.get());
  const auto got = out.host();
  for (std::size_t i = 0; i < 512; ++i) {
    ASSERT_EQ(got[i], tensor[128 + i]);
    ASSERT_EQ(got[512 + i], 0xffff);
    ASSERT_EQ(got[1024 + i], tensor[128 + i]);
  }
}

__global__ void store_box(const __grid_constant__ CUtensorMap map, bool fence) {
  SharedMemory smem;
  auto* box = smem.take<std::uint16_t>(64 * 8, 1024);
  for (int i = threadIdx.x; i < 512; i += blockDim.x) box[i] = std::uint16_t(i);
  if (fence) ptx::fence_proxy_async();
  __syncthreads();
  if (threadIdx.x == 0) {
    ptx::tma_store(&map, box, 0, 12);
    ptx::bulk_commit_group();
    ptx::bulk_wait_group<0>();
  }
}

TEST(Tma, StoreNeedsTheFenceAndKeepsInside) {
  const Buffer<std::uint16_t> out(std::vector<std::uint16_t>(16 * 64, 7));
  const std::uint64_t dims[] = {64, 16};
  const std::uint32_t box[] = {64, 8}, steps[] = {1, 1};
  const auto map =
      make_tensor_map(CU_TENSOR_MAP_DATA_TYPE_FLOAT16, 2, out.get(), dims, box, steps, CU_TENSOR_MAP_SWIZZLE_NONE);
  for_each_seed([&] {
    EXPECT_THAT(fault_of(store_box, {.grid = 1, .block = 64, .smem = 1024}, map, false),
                HasSubstr("without a fence.proxy.async"));
    EXPECT_EQ(fault_of(store_box, {.grid = 1, .block = 64, .smem = 1024}, map, true), "");
    EXPECT_EQ(out.host()[11 * 64], 7);
    EXPECT_EQ(out.host()[15 * 64 + 63], 255);
  });
}

// --- wgmma ---

float value(int i, int j) { return float((i * 7 + j * 3) % 11 - 5); }

enum Flaw { kNone, kNoProxyFence, kNoWgmmaFence, kNoWgmmaWait, kOverwritten };

// One 64 x kN product with K = 64 halves: both operands are written swizzled by ordinary stores.
template <int kN>
__global__ void wgmma_kernel(float* out, ptx::Swizzle swizzle, Flaw flaw) {
  SharedMemory smem;
  auto* a = smem.take<std::uint16_t>(64 * 64, 1024);
  auto* b = smem.take<std::uint16_t>(kN * 64, 1024);
  // Rows of `row` halves; K is cut into 64 / row panels.
  const int row = swizzle == ptx::Swizzle::k128  ? 64
                  : swizzle == ptx::Swizzle::k64 ? 32
                  : swizzle == ptx::Swizzle::k32 ? 16
                                                 : 8;
  const auto place = [&](int rows, int i, int k) {
    const int byte = k / row * rows * row * 2 + i * row * 2 + k % row * 2;
    return (byte ^ (byte / 128 % (row / 8) * 16)) / 2;
  };
  for (int i = threadIdx.x; i < 64 * 64; i += 128) a[place(64, i / 64, i % 64)] = float_to_half(value(i / 64, i % 64));
  for (int i = threadIdx.x; i < kN * 64; i += 128) b[place(kN, i / 64, i % 64)] = float_to_half(value(i / 64 + 5, i % 64));
  if (flaw != kNoProxyFence) ptx::fence_proxy_async();
  __syncthreads();

  float d[kN / 2];
  if (flaw != kNoWgmmaFence) ptx::wgmma_fence();
  for (int k = 0; k < 64; k += 16) {
    const int panel = k / row, within = k % row;
    const auto from_a = ptx::wgmma_descriptor(a + panel * 64 * row + within, swizzle, 8 * row * 2, 64 * row * 2);
    const auto from_b = ptx::wgmma_descriptor(b + panel * kN * row + within, swizzle, 8 * row * 2, kN * row * 2);
    ptx::wgmma_m64k16_f16<kN>(d, from_a, from_b, k > 0);
  }
  ptx::wgmma_commit_group();
  if (flaw == kOverwritten) a[threadIdx.x] = 0;
  if (flaw != kNoWgmmaWait) ptx::wgmma_wait_group<0>();

  const int g = lane_id() / 4, t = lane_id() % 4;
  for (int i = 0; i < kN / 2; ++i) out[(warp_id() * 16 + g + i / 2 % 2 * 8) * kN + i / 4 * 8 + 2 * t + i % 2] = d[i];
  if (flaw == kNoWgmmaWait) ptx::wgmma_wait_group<0>();
}

template <int kN>
LaunchConfig wgmma_config() {
  return {.grid = 1, .block = 128, .smem = (64 + kN) * 128};
}

template <int kN>
void expect_product(ptx::Swizzle swizzle) {
  const Buffer<float> out(64 * kN);
  EXPECT_EQ(fault_of(wgmma_kernel<kN>, wgmma_config<kN>(), out.get(), swizzle, kNone), "");
  const auto got = out.host();
  for (int m = 0; m < 64; ++m) {
    for (int n = 0; n < kN; ++n) {
      float want = 0;
      for (int k = 0; k < 64; ++k) want += value(m, k) * value(n + 5, k);
      ASSERT_EQ(got[std::size_t(m * kN + n)], want) << m << ' ' << n;
    }
  }
}

TEST(Wgmma, ProductInEveryWidthAndSwizzle) {
  for (const auto swizzle : {ptx::Swizzle::kNone, ptx::Swizzle::k32, ptx::Swizzle::k64, ptx::Swizzle::k128}) {
    SCOPED_TRACE(int(swizzle));
    expect_product<32>(swizzle);
    expect_product<64>(swizzle);
    expect_product<256>(swizzle);
  }
  for_each_seed([] { expect_product<128>(ptx::Swizzle::k128); });
}

TEST(Wgmma, EachFlawIsSeen) {
  const Buffer<float> out(64 * 64);
  for_each_seed([&] {
    const auto fault = [&](Flaw flaw) {
      return fault_of(wgmma_kernel<64>, wgmma_config<64>(), out.get(), ptx::Swizzle::k128, flaw);
    };
    EXPECT_THAT(fault(kNoProxyFence), HasSubstr("without a fence.proxy.async"));
    EXPECT_THAT(fault(kNoWgmmaFence), HasSubstr("without a wgmma.fence"));
    EXPECT_THAT(fault(kOverwritten), HasSubstr("wgmma reads shared memory"));
    EXPECT_THAT(
        fault_of(wgmma_kernel<64>, {.grid = 1, .block = 96, .smem = 128 * 128}, out.get(), ptx::Swizzle::k128, kNone),
        HasSubstr("has no four warps"));
    EXPECT_EQ(fault(kNoWgmmaWait), "");
    for (const float v : out.host()) ASSERT_TRUE(std::isnan(v));
  });
}

}  // namespace
}  // namespace emo
