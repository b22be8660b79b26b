#include "engine/backend/cpu/thread_pool.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>

#include "engine/backend/cpu/processors.h"
#include "tests/throws.h"

namespace emo {
namespace {

TEST(ThreadPool, EveryIndexIsRunOnce) {
  for (const int threads : {1, 2, 3, 8}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.threads(), threads);
    for (const int count : {0, 1, 7, 111}) {
      std::vector<std::atomic<int>> runs(count);
      pool.run(count, [&](int i, int) { ++runs[i]; });
      for (const auto& n : runs) EXPECT_EQ(n, 1);
    }
  }
}

TEST(ThreadPool, ByDefaultHasEveryProcessor) { EXPECT_EQ(ThreadPool(0).threads(), available_processors()); }

TEST(ThreadPool, SaysHowManyThreadsTheSystemGives) {
  // The limit counts a user's threads on the whole machine and does not bind root: in a process of its own, as nobody.
  const auto crowded = [] {
    const rlimit few{4, 4};
    if (::setrlimit(RLIMIT_NPROC, &few) != 0 || (::geteuid() == 0 && ::setuid(65534) != 0)) std::_Exit(2);
    std::fputs(text_of(ErrorKind::kDevice, [] { ThreadPool pool(64); }).c_str(), stderr);
    std::_Exit(0);
  };
  EXPECT_EXIT(crowded(), testing::ExitedWithCode(0),
              R"(^cpu: the system gives [1-4] of 64 threads \(.+\); use fewer with `threads`$)");
}

std::ptrdiff_t threads_of_this_process() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/task"), {});
}

TEST(ThreadPool, PoolsOfAProcessShareItsThreads) {
  std::thread([] {}).join();  // a sanitizer starts a thread of its own beside the first
  const auto before = threads_of_this_process();
  {
    ThreadPool small(2), large(4), other(3);
    EXPECT_EQ(threads_of_this_process(), before + 3);
    std::atomic<int> most{0};
    small.run(100, [&](int, int worker) {
      for (int seen = most; worker > seen && !most.compare_exchange_weak(seen, worker);) {
      }
    });
    EXPECT_LT(most, small.threads());
  }
  EXPECT_EQ(threads_of_this_process(), before);
}

#ifndef __SANITIZE_THREAD__  // which does not know threads after a fork
TEST(ThreadPool, AForkedProcessHasItsOwnThreads) {
  const ThreadPool pool(3);
  const auto forked = [] {
    ThreadPool own(3);
    std::atomic<int> done{0};
    own.run(100, [&](int, int) { ++done; });
    std::_Exit(done == 100 && threads_of_this_process() == 3 ? 0 : 1);
  };
  EXPECT_EXIT(forked(), testing::ExitedWithCode(0), "");
}
#endif

TEST(ThreadPool, NoTwoTasksOfACallShareAWorker) {
  ThreadPool pool(4);
  std::atomic<bool> busy[4] = {};
  std::atomic<int> clashes{0};
  pool.run(1000, [&](int, int worker) {
    if (busy[worker].exchange(true)) ++clashes;
    busy[worker] = false;
  });
  EXPECT_EQ(clashes, 0);
}

TEST(ThreadPool, CallersShareTheTeam) {
  ThreadPool pool(3), other(2);
  std::atomic<int> done{0};
  std::vector<std::thread> callers;
  for (int c = 0; c < 4; ++c) {
    callers.emplace_back([&, c] {
      for (int i = 0; i < 200; ++i) (c % 2 ? pool : other).run(5, [&](int, int) { ++done; });
    });
  }
  for (auto& caller : callers) caller.join();
  EXPECT_EQ(done, 4 * 200 * 5);
}

TEST(ThreadPool, TheErrorOfATaskReachesTheCaller) {
  ThreadPool pool(3);
  const auto fails = [&] {
    pool.run(100, [](int i, int) {
      if (i == 41) throw std::runtime_error("task 41");
    });
  };
  EXPECT_THROW(fails(), std::runtime_error);
  int runs = 0;
  pool.run(1, [&](int, int) { ++runs; });
  EXPECT_EQ(runs, 1) << "the pool is of use afterwards";
}

}  // namespace
}  // namespace emo
