#include "engine/scheduler.h"

#include <gmock/gmock.h>

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <random>
#include <stdexcept>
#include <thread>

#include "tests/throws.h"

namespace emo {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using Clock = Scheduler::Clock;
using Item = Scheduler::Item;

/// A number to be doubled; 13 cannot be.
struct Job {
  int in, out = 0, runs = 0;
};
Job& job(const Item& item) { return *static_cast<Job*>(item.job); }

void double_all(std::span<Item* const> batch) {
  for (Item* item : batch) {
    Job& job = emo::job(*item);
    ++job.runs;
    job.out = 2 * job.in;
    if (job.in == 13) item->error = std::make_exception_ptr(Error(ErrorKind::kModel, "13"));
  }
}

/// Jobs and their items.
struct Request {
  explicit Request(int count, int first = 100) {
    for (int i = 0; i < count; ++i) jobs.push_back({first + i});
    for (Job& job : jobs) items.push_back({.job = &job});
  }
  Request(const Request&) = delete;

  std::vector<int> outs() const {
    std::vector<int> all;
    for (const Job& job : jobs) all.push_back(job.out);
    return all;
  }
  std::string error(std::size_t i, ErrorKind kind) const {
    return text_of(kind, [&] {
      if (items[i].error) std::rethrow_exception(items[i].error);
    });
  }

  std::vector<Job> jobs;
  std::vector<Item> items;
};

/// Doubles, but keeps each batch waiting until the door is opened, and notes the batches.
class Door {
 public:
  void operator()(std::span<Item* const> batch) {
    {
      std::unique_lock lock(mutex_);
      auto& seen = batches_.emplace_back();
      for (const Item* item : batch) seen.push_back(job(*item).in);
      changed_.notify_all();
      changed_.wait(lock, [this] { return open_; });
    }
    double_all(batch);
  }
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void wait_for_batches(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return batches_.size() >= count; });
  }
  std::vector<std::vector<int>> batches() const {
    const std::lock_guard lock(mutex_);
    return batches_;
  }
  Scheduler::Run run() {
    return [this](std::span<Item* const> batch) { (*this)(batch); };
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
  std::vector<std::vector<int>> batches_;
};

/// Until so many jobs wait.
void wait_for_queue(const Scheduler& scheduler, int waiting) {
  while (scheduler.counts().waiting < waiting) std::this_thread::sleep_for(100us);
}

TEST(Scheduler, ALoneCallersJobsRunOnItsThreadInBatches) {
  std::vector<std::size_t> sizes;
  const auto caller = std::this_thread::get_id();
  Scheduler scheduler({.max_batch = 4}, [&](std::span<Item* const> batch) {
    EXPECT_EQ(std::this_thread::get_id(), caller);
    sizes.push_back(batch.size());
    double_all(batch);
  });
  Request request(6);
  scheduler.run(request.items);
  EXPECT_THAT(request.outs(), ElementsAre(200, 202, 204, 206, 208, 210));
  EXPECT_THAT(sizes, ElementsAre(4, 2));
  scheduler.run({});
  const auto counts = scheduler.counts();
  EXPECT_EQ(counts.done, 6u);
  EXPECT_EQ(counts.waiting + counts.running, 0);
  EXPECT_THAT(counts.batches, ElementsAre(0, 0, 1, 0, 1));
}

TEST(Scheduler, ConcurrentRequestsShareABatch) {
  Door door;
  Scheduler scheduler({.max_batch = 4, .max_contexts = 1}, door.run());
  Request first(1, 1);
  const auto running = scheduler.submit(first.items);
  door.wait_for_batches(1);
  std::vector<std::unique_ptr<Request>> requests;
  std::vector<std::thread> callers;
  for (int i = 0; i < 6; ++i) {
    Request& request = *requests.emplace_back(std::make_unique<Request>(1, 10 * (i + 1)));
    callers.emplace_back([&] { scheduler.run(request.items); });
    wait_for_queue(scheduler, i + 1);
  }
  door.open();
  for (auto& caller : callers) caller.join();
  EXPECT_THAT(door.batches(), ElementsAre(ElementsAre(1), ElementsAre(10, 20, 30, 40), ElementsAre(50, 60)));
  for (int i = 0; i < 6; ++i) EXPECT_THAT(requests[std::size_t(i)]->outs(), ElementsAre(20 * (i + 1)));
}

TEST(Scheduler, ABatchThatIsNotFullWaitsForMoreThreads) {
  Door door;
  door.open();
  Scheduler scheduler({.max_batch = 2, .max_wait_us = 1'000'000}, door.run());
  Request a(1, 10), b(1, 20);
  const auto start = Clock::now();
  std::thread other([&] { scheduler.run(a.items); });
  wait_for_queue(scheduler, 1);
  scheduler.run(b.items);  // fills the batch, which begins at once
  other.join();
  EXPECT_LT(Clock::now() - start, 900ms);
  EXPECT_THAT(door.batches(), ElementsAre(ElementsAre(10, 20)));

  Scheduler patient({.max_batch = 2, .max_wait_us = 20'000}, double_all);
  Request alone(1, 30);
  const auto asked = Clock::now();
  patient.run(alone.items);
  EXPECT_GE(Clock::now() - asked, 20ms);
  EXPECT_THAT(alone.outs(), ElementsAre(60));
}

TEST(Scheduler, AFullQueueIsBusyAtOnce) {
  Door door;
  Scheduler scheduler({.max_batch = 1, .max_queue = 3, .max_contexts = 1}, door.run());
  Request running(1), waiting(2), large(2), small(1), huge(9);
  const auto a = scheduler.submit(running.items);
  door.wait_for_batches(1);
  const auto b = scheduler.submit(waiting.items);
  int called = 0;
  const std::string busy = "scheduler: 2 jobs wait and 2 came; max_queue is 3. Ask again later";
  EXPECT_EQ(text_of(ErrorKind::kBusy, [&] { scheduler.submit(large.items, [&] { ++called; }); }), busy);
  EXPECT_EQ(text_of(ErrorKind::kBusy, [&] { scheduler.run(large.items); }), busy);
  EXPECT_EQ(scheduler.counts().refused, 4u);
  const auto c = scheduler.submit(small.items);
  door.open();
  EXPECT_TRUE(a->wait() && b->wait() && c->wait());
  EXPECT_EQ(called, 0);
  EXPECT_EQ(large.jobs[0].runs, 0);
  scheduler.run(huge.items);  // more than max_queue, but nothing waits
  EXPECT_EQ(huge.jobs[8].out, 216);
}

TEST(Scheduler, AJobThatIsTooLateIsNotBegunByAnyThread) {
  Door door;
  Scheduler scheduler({.max_batch = 4, .max_contexts = 1}, door.run());
  Request running(1), mixed(3), sync(1);
  const auto a = scheduler.submit(running.items);
  door.wait_for_batches(1);
  mixed.items[0].deadline = Clock::now() - 1s;
  mixed.items[2].deadline = Clock::now() + 1h;
  sync.items[0].deadline = Clock::now() + 10ms;
  const auto b = scheduler.submit(mixed.items);
  scheduler.run(sync.items);  // back at its deadline, though the batch before still runs
  const std::string late = "scheduler: the deadline passed before the job was begun; allow more time, or ask for less";
  EXPECT_EQ(sync.error(0, ErrorKind::kTimeout), late);
  EXPECT_FALSE(b->wait(1ms));
  door.open();
  EXPECT_TRUE(b->wait());
  EXPECT_EQ(mixed.error(0, ErrorKind::kTimeout), late);
  EXPECT_THAT(mixed.outs(), ElementsAre(0, 202, 204));
  EXPECT_FALSE(mixed.items[1].error || mixed.items[2].error);
  EXPECT_EQ(scheduler.counts().timed_out, 2u);
}

TEST(Scheduler, CancelAnswersWhatWaitsAndLeavesTheThreadThatRuns) {
  Door door;
  Scheduler scheduler({.max_batch = 2, .max_contexts = 1}, door.run());
  Request begun(3), waits(4), other(1);
  std::atomic<int> begun_done{0}, waits_done{0};
  const auto a = scheduler.submit(begun.items, [&] { ++begun_done; });
  door.wait_for_batches(1);
  const auto b = scheduler.submit(waits.items, [&] { ++waits_done; });
  const auto c = scheduler.submit(other.items);
  std::atomic<Clock::time_point> woken{};
  std::thread waiter([&] {
    b->wait();
    woken = Clock::now();
  });
  const auto cancelled = Clock::now();
  b->cancel();
  EXPECT_EQ(waits_done, 1);
  waiter.join();  // the door is still shut: it did not wait for the batch
  EXPECT_LT(woken.load() - cancelled, 1s);
  a->cancel();
  EXPECT_FALSE(a->wait(1ms));  // two of it are begun
  EXPECT_EQ(begun_done, 0);
  door.open();
  EXPECT_TRUE(a->wait() && c->wait());
  b->cancel(), a->cancel();  // of no effect any more
  EXPECT_THAT(begun.outs(), ElementsAre(200, 202, 0));
  EXPECT_EQ(begun.error(2, ErrorKind::kCancelled), "scheduler: cancelled before the job was begun");
  for (std::size_t i = 0; i < 4; ++i) EXPECT_NE(waits.items[i].error, nullptr);
  EXPECT_THAT(other.outs(), ElementsAre(200));
  EXPECT_EQ(begun_done + waits_done, 2);
  EXPECT_EQ(scheduler.counts().cancelled, 5u);
}

TEST(Scheduler, ClientsTakeTurns) {
  Door door;
  Scheduler scheduler({.max_batch = 3, .max_contexts = 1}, door.run());
  Request first(1, 1), thousand(1000, 1000), more(1, 5000), alone(1, 50), pair(2, 70);
  std::vector<std::shared_ptr<Scheduler::Request>> requests{scheduler.submit(first.items)};
  door.wait_for_batches(1);
  requests.push_back(scheduler.submit(thousand.items, {}, 7));
  requests.push_back(scheduler.submit(more.items, {}, 7));  // the same client: behind its thousand
  requests.push_back(scheduler.submit(alone.items));
  requests.push_back(scheduler.submit(pair.items, {}, 8));
  door.open();
  for (const auto& request : requests) request->wait();
  const auto batches = door.batches();
  EXPECT_THAT(batches[1], ElementsAre(1000, 50, 70));
  EXPECT_THAT(batches[2], ElementsAre(1001, 71, 1002));
  EXPECT_EQ(batches.back().back(), 5000);
}

TEST(Scheduler, AGroupRunsInOneBatchInItsOrder) {
  Door door;
  Scheduler scheduler({.max_batch = 3, .max_contexts = 1}, door.run());
  Request first(1, 1), grouped(8, 10), other(1, 50);
  const int photos[3] = {};
  for (int i : {1, 2}) grouped.items[std::size_t(i)].group = &photos[0];
  for (int i : {3, 4, 5, 6}) grouped.items[std::size_t(i)].group = &photos[1];
  const auto a = scheduler.submit(first.items);
  door.wait_for_batches(1);
  const auto b = scheduler.submit(grouped.items), c = scheduler.submit(other.items);
  door.open();
  EXPECT_TRUE(a->wait() && b->wait() && c->wait());
  EXPECT_THAT(door.batches(), ElementsAre(ElementsAre(1), ElementsAre(10, 50), ElementsAre(11, 12),
                                          ElementsAre(13, 14, 15, 16), ElementsAre(17)));
}

TEST(Scheduler, OneBadJobFailsAlone) {
  Scheduler scheduler({.max_batch = 4}, double_all);
  Request request(4, 11);
  scheduler.run(request.items);
  EXPECT_THAT(request.outs(), ElementsAre(22, 24, 26, 28));
  EXPECT_EQ(request.error(2, ErrorKind::kModel), "13");
  for (const std::size_t i : {0, 1, 3}) EXPECT_FALSE(request.items[i].error);
  EXPECT_EQ(scheduler.counts().failed, 1u);
  EXPECT_EQ(scheduler.counts().done, 3u);
}

TEST(Scheduler, AThrownBatchIsDoneAgainGroupByGroup) {
  std::vector<std::size_t> sizes;
  Scheduler scheduler({.max_batch = 5}, [&](std::span<Item* const> batch) {
    sizes.push_back(batch.size());
    for (Item* item : batch) {
      item->error = std::make_exception_ptr(std::logic_error("of a try that threw"));
      if (job(*item).in == 13) throw std::runtime_error("no memory");
      item->error = nullptr;
    }
    double_all(batch);
  });
  Request request(5, 11);
  request.items[0].group = request.items[1].group = &request;
  scheduler.run(request.items);
  EXPECT_THAT(sizes, ElementsAre(5, 2, 1, 1, 1));
  EXPECT_THAT(request.outs(), ElementsAre(22, 24, 0, 28, 30));
  for (const std::size_t i : {0, 1, 3, 4}) EXPECT_FALSE(request.items[i].error);
  EXPECT_THROW(std::rethrow_exception(request.items[2].error), std::runtime_error);
}

TEST(Scheduler, ConcurrentBatchesAreBounded) {
  std::atomic<int> running{0}, most{0};
  Scheduler scheduler({.max_batch = 1, .max_contexts = 2}, [&](std::span<Item* const> batch) {
    const int now = ++running;
    for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
    }
    std::this_thread::sleep_for(200us);
    double_all(batch);
    --running;
  });
  std::vector<std::thread> callers;
  for (int c = 0; c < 8; ++c) {
    callers.emplace_back([&, c] {
      for (int i = 0; i < 10; ++i) {
        Request request(2, 100 * c);
        if (i % 2) {
          scheduler.submit(request.items)->wait();
        } else {
          scheduler.run(request.items);
        }
        EXPECT_THAT(request.outs(), ElementsAre(200 * c, 200 * c + 2));
      }
    });
  }
  for (auto& caller : callers) caller.join();
  EXPECT_EQ(most, 2);
}

TEST(Scheduler, CloseCancelsWhatWaitsAndWaitsForTheThreadsThatRun) {
  Door door;
  auto scheduler = std::make_unique<Scheduler>(SchedulerOptions{.max_batch = 1, .max_contexts = 1}, door.run());
  Request begun(1), waits(1), sync(1), late(1);
  std::atomic<int> done{0};
  const auto a = scheduler->submit(begun.items, [&] { ++done; });
  door.wait_for_batches(1);
  const auto b = scheduler->submit(waits.items, [&] { ++done; });
  std::thread caller([&] { scheduler->run(sync.items); });
  wait_for_queue(*scheduler, 2);
  std::thread closer([&] { scheduler->close(); });
  EXPECT_TRUE(b->wait());  // though the door is shut
  caller.join();
  EXPECT_EQ(done, 1);
  EXPECT_EQ(waits.error(0, ErrorKind::kCancelled), "scheduler: closed before the job was begun");
  EXPECT_EQ(sync.error(0, ErrorKind::kCancelled), "scheduler: closed before the job was begun");
  const std::string closed = "scheduler: closed; nothing more is taken";
  EXPECT_EQ(text_of(ErrorKind::kCancelled, [&] { scheduler->run(late.items); }), closed);
  EXPECT_EQ(text_of(ErrorKind::kCancelled, [&] { scheduler->submit(late.items); }), closed);
  door.open();
  closer.join();
  EXPECT_EQ(done, 2);
  EXPECT_THAT(begun.outs(), ElementsAre(200));
  scheduler.reset();
  EXPECT_TRUE(a->wait() && b->wait());  // a request may be kept longer
  a->cancel();
}

TEST(Scheduler, DoneHasReturnedWhenWaitReturnsOnAnotherThread) {
  Scheduler scheduler({}, double_all);
  for (int i = 0; i < 20; ++i) {
    Request request(1);
    int done = 0;  // not atomic: ThreadSanitizer sees that wait() orders it
    const auto asked = scheduler.submit(request.items, [&] {
      std::this_thread::sleep_for(100us);
      ++done;
    });
    asked->wait();
    EXPECT_EQ(done, 1);
  }
  int done = 0;
  EXPECT_TRUE(scheduler.submit({}, [&] { ++done; })->wait(0s));
  EXPECT_EQ(done, 1);
}

TEST(Scheduler, OptionsOutOfRangeAreRefused) {
  const auto refusal = [](const SchedulerOptions& options) {
    return text_of(ErrorKind::kUsage, [&] { Scheduler(options, double_all); });
  };
  EXPECT_EQ(refusal({.max_batch = 0}), "scheduler: max_batch is 0; 1 to 1024 is needed");
  EXPECT_EQ(refusal({.max_wait_us = -1}), "scheduler: max_wait_us is -1; 0 to 1000000 is needed");
  EXPECT_EQ(refusal({.max_queue = 0}), "scheduler: max_queue is 0; 1 to 1000000 is needed");
  EXPECT_EQ(refusal({.max_contexts = 65}), "scheduler: max_contexts is 65; 1 to 64 is needed");
}

/// 16 threads with single and batched requests, some of them cancelled, some with a deadline, some refused.
TEST(Scheduler, ConcurrentRequestsOfAnyKindAreEachAnsweredOnce) {
  Scheduler scheduler({.max_batch = 4, .max_wait_us = 50, .max_queue = 40, .max_contexts = 2},
                      [](std::span<Item* const> batch) {
                        std::this_thread::sleep_for(20us * batch.size());
                        double_all(batch);
                      });
  std::atomic<std::uint64_t> asked{0}, done{0}, failed{0}, cancelled{0}, timed_out{0}, refused{0};
  const auto talk = [&](unsigned seed) {
    std::mt19937 random(seed);
    const auto one_in = [&](unsigned n) { return random() % n == 0; };
    for (int i = 0; i < 150; ++i) {
      Request request(one_in(3) ? int(2 + random() % 9) : 1, int(random() % 50));
      for (Item& item : request.items) {
        if (one_in(4)) item.deadline = Clock::now() + std::chrono::microseconds(random() % 2000);
        if (one_in(4)) item.group = &request;
      }
      asked += request.items.size();
      std::atomic<int> answers{0};
      const Scheduler::Client client = one_in(2) ? seed % 4 : 0;
      try {
        if (one_in(2)) {
          scheduler.run(request.items, client);
          ++answers;
        } else {
          const auto handle = scheduler.submit(
              request.items, [&] { ++answers; }, client);
          if (one_in(3)) handle->wait(std::chrono::microseconds(random() % 500));
          if (one_in(3)) handle->cancel();
          handle->wait();
        }
      } catch (const Error& e) {
        EXPECT_EQ(e.kind(), ErrorKind::kBusy);
        refused += request.items.size();
        continue;
      }
      EXPECT_EQ(answers, 1);
      for (const Item& item : request.items) {
        const bool ran = job(item).runs == 1;
        EXPECT_LE(job(item).runs, 1);
        try {
          if (item.error) std::rethrow_exception(item.error);
          EXPECT_EQ(job(item).out, 2 * job(item).in);
          ++done;
        } catch (const Error& e) {
          EXPECT_EQ(ran, e.kind() == ErrorKind::kModel) << e.what();
          ++(e.kind() == ErrorKind::kModel ? failed : e.kind() == ErrorKind::kTimeout ? timed_out : cancelled);
        }
      }
    }
  };
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 16; ++t) threads.emplace_back(talk, t + 1);
  for (auto& thread : threads) thread.join();
  const auto counts = scheduler.counts();
  EXPECT_EQ(counts.waiting + counts.running, 0);
  EXPECT_EQ(counts.done, done);
  EXPECT_EQ(counts.failed, failed);
  EXPECT_EQ(counts.cancelled, cancelled);
  EXPECT_EQ(counts.timed_out, timed_out);
  EXPECT_EQ(counts.refused, refused);
  EXPECT_EQ(done + failed + cancelled + timed_out + refused, asked);
  for (const auto* some : {&done, &failed, &cancelled, &timed_out}) EXPECT_GT(*some, 0u);
}

}  // namespace
}  // namespace emo
