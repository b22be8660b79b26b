#include "engine/backend/cuda/memory.h"

#include <gtest/gtest.h>

#include "simt/simt.h"
#include "tests/throws.h"

namespace emo {
namespace {

#ifdef EMO_SIMT
TEST(CudaMemory, ReserveGrowsOnlyAndHoldsOneOfTheTwo) {
  const std::size_t before = simt::allocated_bytes();
  DeviceBuffer<float> buffer;
  buffer.reserve(100, "a test");
  const float* first = buffer.data();
  buffer.reserve(60, "a test");
  EXPECT_EQ(buffer.data(), first);
  EXPECT_EQ(buffer.size(), 100u);
  simt::Device small = simt::device();
  small.memory_bytes = before + 1000;
  simt::set_device(small);
  buffer.reserve(200, "a test");  // 800 bytes; with the 400 from before there would be too few
  simt::set_device({});
  EXPECT_EQ(simt::allocated_bytes(), before + 800);

  PinnedBuffer<int> pinned;
  pinned.reserve(7);
  const int* here = pinned.data();
  pinned.reserve(3);
  EXPECT_EQ(pinned.data(), here);
  pinned.reserve(8);
  EXPECT_EQ(pinned.size(), 8u);
}

TEST(CudaMemory, TooLittleMemorySaysForWhatAndHowMuch) {
  const std::size_t before = simt::allocated_bytes() >> 20;
  simt::set_device({.memory_bytes = (before + 10) << 20});
  DeviceBuffer<float> buffer;
  EXPECT_EQ(text_of(ErrorKind::kMemory, [&] { buffer.reserve(16 << 20, "a clip"); }),
            concat("cuda: a clip needs 64 MiB of the GPU's memory, and 10 of its ", before + 10,
                   " MiB are free; close what else uses it, or use `backend` cpu"));
  simt::set_device({});
  EXPECT_EQ(buffer.size(), 0u);
}
#endif

TEST(CudaMemory, EventWaitsForWhatCameBeforeIt) {
  const Stream stream;
  const Event event;
  const PinnedBuffer<int> host(1);
  const DeviceBuffer<int> device(std::span<const int>(std::vector<int>{41}), "a test");
  host.data()[0] = 0;
  EMO_CUDA(cudaMemcpyAsync(host.data(), device.data(), sizeof(int), cudaMemcpyDeviceToHost, stream.get()));
  event.record(stream);
  event.wait();
  EXPECT_EQ(host.data()[0], 41);
}

}  // namespace
}  // namespace emo
