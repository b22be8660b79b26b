#include "tools/emoengine/serve/byte_stream.h"

#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "base/error.h"

namespace emo::serve {
namespace {

/// Waits for the next piece as a connection does.
std::string next(ByteStream& stream) {
  while (true) {
    std::promise<void> woken;
    if (const auto piece = stream.take([&] { woken.set_value(); })) return *piece;
    woken.get_future().wait();
  }
}

TEST(ByteStreamThread, WhatIsPushedComesOutInOrderHoweverSlowTheTaker) {
  ByteStream stream;
  std::thread maker([&] {
    for (int i = 0; i < 4000; ++i) {
      const std::vector<std::uint8_t> block(1000, std::uint8_t(i));
      ASSERT_TRUE(stream.push(block));
    }
    stream.end();
  });
  std::string all;
  for (std::string piece = next(stream); !piece.empty(); piece = next(stream)) all += piece;
  maker.join();
  ASSERT_EQ(all.size(), 4'000'000u);
  for (std::size_t i = 0; i < all.size(); i += 1000) ASSERT_EQ(std::uint8_t(all[i]), std::uint8_t(i / 1000));
}

TEST(ByteStreamThread, AMakerThatWaitsForRoomEndsWhenNobodyWantsMore) {
  ByteStream stream;
  std::thread maker([&] {
    const std::vector<std::uint8_t> block(1 << 20);
    while (stream.push(block)) {
    }
  });
  stream.abandon();
  maker.join();
  EXPECT_TRUE(stream.abandoned());
}

TEST(ByteStreamThread, AnErrorComesBehindWhatWasPushed) {
  ByteStream stream;
  const std::uint8_t byte[] = {'x'};
  stream.push(byte);
  stream.end(std::make_exception_ptr(Error(ErrorKind::kInput, "broke")));
  EXPECT_EQ(next(stream), "x");
  EXPECT_THROW(next(stream), Error);
}

}  // namespace
}  // namespace emo::serve
