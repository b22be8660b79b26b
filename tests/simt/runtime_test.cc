// The runtime's own tests. Each kernel here is small and most are wrong on purpose: what matters is that the fault is seen.
#include "kernels/common.cuh"
#include "kernels/ptx.h"
#include "planted.h"
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

__global__ void votes(unsigned* out) {
  const unsigned odd = __ballot_sync(kAllLanes, threadIdx.x % 2);
  const int any = __any_sync(kAllLanes, threadIdx.x == 5), all = __all_sync(kAllLanes, threadIdx.x == 5);
  out[threadIdx.x] = odd == 0xaaaaaaaau && any && !all ? __shfl_up_sync(kAllLanes, threadIdx.x, 1) : 99;
  const unsigned half = threadIdx.x < 16 ? 0xffffu : 0xffff0000u;  // two halves at the same time
  out[32 + threadIdx.x] = __shfl_down_sync(half, threadIdx.x, 1, 16);
}

TEST_F(Runtime, VotesAndShuffles) {
  for_each_seed([] {
    const Buffer<unsigned> out(64);
    launch("votes", "(32)", votes, {.grid = 1, .block = 32}, out.get());
    const std::vector<unsigned> got = out.host();
    for (unsigned i = 0; i < 32; ++i) {
      EXPECT_EQ(got[i], i == 0 ? 0 : i - 1);
      EXPECT_EQ(got[32 + i], i % 16 == 15 ? i : i + 1);
    }
  });
}

__global__ void halves_hand_over(int* out) {  // warps 0, 1 produce for warps 2, 3
  SharedMemory smem;
  int* tile = smem.take<int>(64);
  if (threadIdx.x < 64) {
    tile[threadIdx.x] = int(threadIdx.x);
    ptx::bar_arrive(1, 128);
  } else {
    ptx::bar_sync(1, 128);
    out[threadIdx.x - 64] = tile[127 - threadIdx.x];
  }
}

TEST_F(Runtime, NamedBarrierHandsOver) {
  for_each_seed([] {
    const Buffer<int> out(64);
    launch("halves", "(64)", halves_hand_over, {.grid = 1, .block = 128, .smem = 256}, out.get());
    EXPECT_EQ(out.host()[0], 63);
    EXPECT_EQ(out.host()[63], 0);
  });
}

__global__ void grid_meets(unsigned* arrived, int* values, int* out) {
  values[blockIdx.x] = int(blockIdx.x);
  grid_sync(arrived, gridDim.x);
  out[blockIdx.x] = values[gridDim.x - 1 - blockIdx.x];
}

TEST_F(Runtime, CooperativeGridMeets) {
  for_each_seed([] {
    const Buffer<unsigned> arrived(std::vector<unsigned>{0});
    const Buffer<int> values(8), out(8);
    launch("grid", "(8)", grid_meets, {.grid = 8, .block = 64, .cooperative = true}, arrived.get(), values.get(), out.get());
    EXPECT_EQ(out.host(), (std::vector<int>{7, 6, 5, 4, 3, 2, 1, 0}));
  });
}

TEST_F(Runtime, CooperativeGridThatDoesNotFitIsRefused) {
  const auto text = text_of(ErrorKind::kDevice, [] {
    launch("grid", Shape{1, 2, 3, 4}, one_thread_stays_away, {.grid = 1000, .block = 64, .cooperative = true});
  });
  EXPECT_THAT(text,
              HasSubstr("cuda: grid launch, shape (1,2,3,4): too many blocks in cooperative launch [simt/runtime_test.cc:"));
}

__global__ void store_at(float* out, int shared_at, int device_at) {
  SharedMemory smem;
  float* tile = smem.take<float>(6);
  if (shared_at >= 0) tile[shared_at] = 1;
  if (device_at >= 0) out[device_at] = 1;
}

// 6 floats end 8 bytes before the guard page: those are checked when the block ends, what lies further stops at once.
TEST_F(Runtime, StoreOutsideSharedMemoryIsCaught) {
  const Buffer<float> out(6);
  EXPECT_EQ(fault_of(store_at, {.grid = 1, .block = 1, .smem = 24}, out.get(), 5, 5), "");
  EXPECT_THAT(fault_of(store_at, {.grid = 1, .block = 1, .smem = 24}, out.get(), 6, -1),
              HasSubstr("a store outside shared memory"));
  EXPECT_DEATH(fault_of(store_at, {.grid = 1, .block = 1, .smem = 24}, out.get(), 8, -1),
               "access outside shared memory: byte 32 of 24");
  EXPECT_THAT(fault_of(store_at, {.grid = 1, .block = 1, .smem = 16}, out.get(), 0, 0),
              HasSubstr("but the launch gave 16 bytes"));
}

TEST_F(Runtime, StoreOutsideDeviceMemoryIsCaught) {
  float* out = nullptr;
  EMO_CUDA(cudaMalloc(&out, 24));
  EXPECT_DEATH(fault_of(store_at, {.grid = 1, .block = 1, .smem = 24}, out, -1, 8),
               "access outside device memory.*: byte 32 of 24");
  fault_of(store_at, {.grid = 1, .block = 1, .smem = 24}, out, -1, 6);
  EXPECT_EQ(cudaFree(out), cudaErrorIllegalAddress);
  EXPECT_THAT(simt::last_fault(), HasSubstr("a store outside device memory"));
}

TEST_F(Runtime, FaultIsStickyUntilReset) {
  launch("planted", "of a test", one_thread_stays_away, {.grid = 1, .block = 64});
  EXPECT_EQ(cudaDeviceSynchronize(), cudaErrorLaunchFailure);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaErrorLaunchFailure);
  simt::reset();
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
}

__global__ void add_one(int* value) { atomicAdd(value, 1); }

TEST_F(Runtime, StreamRunsWhenSomebodyWaits) {
  cudaStream_t stream;
  EMO_CUDA(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  int* pinned = nullptr;
  EMO_CUDA(cudaMallocHost(&pinned, sizeof(int)));
  const Buffer<int> value(std::vector<int>{0});
  launch("add_one", "()", add_one, {.grid = 5, .block = 33, .stream = stream}, value.get());
  EMO_CUDA(cudaMemcpyAsync(pinned, value.get(), sizeof(int), cudaMemcpyDeviceToHost, stream));
  EXPECT_EQ(*pinned, -1) << "nobody has waited yet";
  EXPECT_EQ(cudaStreamQuery(stream), cudaErrorNotReady);
  EMO_CUDA(cudaStreamSynchronize(stream));
  EXPECT_EQ(*pinned, 165);
  EMO_CUDA(cudaFreeHost(pinned));
  EMO_CUDA(cudaStreamDestroy(stream));
}

TEST_F(Runtime, EventOrdersTwoStreams) {
  cudaStream_t a, b;
  cudaEvent_t event;
  EMO_CUDA(cudaStreamCreateWithFlags(&a, cudaStreamNonBlocking));
  EMO_CUDA(cudaStreamCreateWithFlags(&b, cudaStreamNonBlocking));
  EMO_CUDA(cudaEventCreate(&event));
  const Buffer<int> value(std::vector<int>{0}), copy(1);
  launch("add_one", "()", add_one, {.grid = 1, .block = 7, .stream = a}, value.get());
  EMO_CUDA(cudaEventRecord(event, a));
  EMO_CUDA(cudaStreamWaitEvent(b, event));
  EMO_CUDA(cudaMemcpyAsync(copy.get(), value.get(), sizeof(int), cudaMemcpyDeviceToDevice, b));
  EMO_CUDA(cudaStreamSynchronize(b));
  EXPECT_EQ(copy.host()[0], 7);
  EMO_CUDA(cudaEventDestroy(event));
  EMO_CUDA(cudaStreamDestroy(a));
  EMO_CUDA(cudaStreamDestroy(b));
}

TEST_F(Runtime, GraphDoesAgainWhatWasCaptured) {
  cudaStream_t stream;
  cudaGraph_t graph;
  cudaGraphExec_t exec;
  EMO_CUDA(cudaStreamCreate(&stream));
  const Buffer<int> value(std::vector<int>{0});
  EMO_CUDA(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
  EMO_CUDA(cudaMemsetAsync(value.get(), 0, sizeof(int), stream));
  launch("add_one", "()", add_one, {.grid = 1, .block = 3, .stream = stream}, value.get());
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaErrorStreamCaptureUnsupported);
  EMO_CUDA(cudaStreamEndCapture(stream, &graph));
  EMO_CUDA(cudaGraphInstantiate(&exec, graph));
  EMO_CUDA(cudaGraphDestroy(graph));
  EXPECT_EQ(value.host()[0], 0) << "captured, not done";
  for (int i = 0; i < 2; ++i) {
    EMO_CUDA(cudaGraphLaunch(exec, stream));
    EXPECT_EQ(value.host()[0], 3);
  }
  EMO_CUDA(cudaGraphExecDestroy(exec));
  EMO_CUDA(cudaStreamDestroy(stream));
}

TEST_F(Runtime, DeviceMemoryEnds) {
  const simt::Device before = simt::device();
  simt::Device small = before;
  small.memory_bytes = simt::allocated_bytes() + 100;
  simt::set_device(small);
  void* pointer = nullptr;
  EXPECT_EQ(cudaMalloc(&pointer, 101), cudaErrorMemoryAllocation);
  EXPECT_EQ(cudaMalloc(&pointer, 100), cudaSuccess);
  EXPECT_EQ(cudaFree(pointer), cudaSuccess);
  simt::set_device(before);
}

}  // namespace
}  // namespace emo
