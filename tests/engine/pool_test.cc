#include "engine/backend/shared/pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <thread>

namespace emo {
namespace {

std::atomic<int> alive{0};

struct Context {
  Context() { ++alive; }
  ~Context() { --alive; }
  bool lent = false;
};

const auto make = [] { return std::make_unique<Context>(); };

TEST(Pool, ConcurrentCallsShareAtMostSoManyContexts) {
  {
    Pool<Context> pool(3);
    std::vector<std::thread> callers;
    for (int c = 0; c < 6; ++c) {
      callers.emplace_back([&] {
        for (int i = 0; i < 30; ++i) {
          const auto context = pool.borrow(make);
          EXPECT_FALSE(std::exchange(context->lent, true));
          EXPECT_LE(alive, 3);
          std::this_thread::yield();
          context->lent = false;
        }
      });
    }
    for (auto& caller : callers) caller.join();
    EXPECT_GE(alive, 1);
  }
  EXPECT_EQ(alive, 0);
}

TEST(Pool, AContextIsLentAgain) {
  Pool<Context> pool(2);
  const Context* first = &*pool.borrow(make);
  EXPECT_EQ(&*pool.borrow(make), first);
}

TEST(Pool, ACallThatThrowsMakesRoomForAnotherContext) {
  Pool<Context> pool(1);
  for (int i = 0; i < 3; ++i) {
    EXPECT_THROW(
        {
          const auto context = pool.borrow(make);
          throw std::runtime_error("a call");
        },
        std::runtime_error);
    EXPECT_EQ(alive, 0);
    EXPECT_THROW(pool.borrow([]() -> std::unique_ptr<Context> { throw std::runtime_error("no memory"); }),
                 std::runtime_error);
  }
  EXPECT_FALSE(pool.borrow(make)->lent);
}

TEST(Pool, FillMakesAllAtOnce) {
  Pool<Context> pool(3);
  {
    const auto one = pool.borrow(make);
    pool.fill(make);
  }
  EXPECT_EQ(alive, 3);
  const auto none = []() -> std::unique_ptr<Context> { throw std::logic_error("there are enough"); };
  const auto a = pool.borrow(none), b = pool.borrow(none), c = pool.borrow(none);
  EXPECT_NE(&*a, &*b);
}

}  // namespace
}  // namespace emo
