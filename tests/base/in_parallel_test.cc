#include "base/in_parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <vector>

namespace emo {
namespace {

TEST(InParallel, ThreadsDoEveryTaskOnce) {
  for (const int workers : {0, 1, 2, 7}) {
    std::vector<std::atomic<int>> done(101);
    in_parallel(int(done.size()), workers, [&](int i) { ++done[std::size_t(i)]; });
    for (const auto& times : done) EXPECT_EQ(times, 1);
  }
  in_parallel(0, 3, [](int) { FAIL(); });
}

TEST(InParallel, ThreadsBeginNothingAfterAnError) {
  std::atomic<int> begun{0};
  const auto task = [&](int i) {
    ++begun;
    if (i == 3) throw std::runtime_error("three");
  };
  EXPECT_THROW(in_parallel(100'000, 2, task), std::runtime_error);
  EXPECT_LT(begun, 100'000);
  EXPECT_THROW(in_parallel(10, 1, task), std::runtime_error);
}

TEST(InParallel, StopBeginsNoOther) {
  std::atomic<int> begun{0};
  in_parallel(
      100, 1, [&](int) { ++begun; }, [&] { return begun == 5; });
  EXPECT_EQ(begun, 5);
}

}  // namespace
}  // namespace emo
