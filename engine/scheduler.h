#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace emo {

struct SchedulerOptions {
  int max_batch = 8;     ///< jobs of a batch
  int max_wait_us = 0;   ///< a batch that is not full waits so long for more, counted from its first job
  int max_queue = 1024;  ///< jobs that wait; more are refused
  int max_contexts = 2;  ///< batches that run at the same time
};

/// Gathers the requests of many threads, of one job or several, into batches. Clients take turns, a job each, so nobody
/// waits behind a thousand jobs of another. Every request is answered exactly once. Thread-safe.
///
/// It has no thread of its own for run(): the caller's thread runs the batches until its request is answered. The threads
/// for submit(), at most max_contexts, start when they are needed.
class Scheduler {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr Clock::time_point kNever = Clock::time_point::max();

  /// One job of a request. It stays where it is until the request is answered.
  struct Item {
    void* job;
    /// Neighbours in a request with the same group run in one batch, in their order, even where that exceeds max_batch.
    /// Null: none.
    const void* group = nullptr;
    Clock::time_point deadline = kNever;  ///< a job that was not begun by then fails with Error(kTimeout)
    std::exception_ptr error = {};        ///< why the job was not done; null: it was
  };

  /// Does the jobs of a batch and sets the error of each that fails. When it throws, all jobs must be as they were: those of
  /// each group then run again, alone, and a group for which it throws again fails with what it threw.
  using Run = std::function<void(std::span<Item* const> batch)>;

  /// Jobs with the same client, not 0, wait in one line. 0: the request is a client of its own.
  using Client = std::uint64_t;

  /// A request that was submitted. May be kept longer than the Scheduler. Destroying it changes nothing.
  class Request {
   public:
    virtual ~Request() = default;
    /// Waits until every item has its outcome and done() has returned, but at most so long. False: not yet.
    virtual bool wait(Clock::duration at_most = Clock::duration::max()) = 0;
    /// Fails the items that wait with Error(kCancelled) and returns; what has begun is finished. When nothing has begun, it
    /// calls done() itself.
    virtual void cancel() = 0;
  };

  struct Counts {
    int waiting = 0, running = 0;                ///< jobs, now
    std::uint64_t done = 0, failed = 0;          ///< jobs that ran
    std::uint64_t cancelled = 0, timed_out = 0;  ///< jobs that did not
    std::uint64_t refused = 0;                   ///< jobs for which there was no room
    std::vector<std::uint64_t> batches;          ///< [n]: batches of n jobs; the last: of so many and more
  };

  /// Throws Error(kUsage) for an option out of range.
  Scheduler(const SchedulerOptions& options, Run run);
  /// Closes.
  ~Scheduler();

  /// Returns when every item has its outcome. Throws Error(kBusy) when there is no room for the items, unless nothing waits;
  /// Error(kCancelled) after close(). None of them is done then.
  void run(std::span<Item> items, Client client = 0);

  /// Returns at once. `done`, if any, is called once when every item has its outcome, on any thread that is in a call of
  /// the Scheduler; it must not throw, wait for a request or close. Throws as run(), and Error(kDevice) when the system
  /// gives no thread; done is then not called.
  std::shared_ptr<Request> submit(std::span<Item> items, std::function<void()> done = {}, Client client = 0);

  /// Fails what waits with Error(kCancelled), waits for what runs, and refuses everything from then on. Call it once, or
  /// leave it to the destructor.
  void close();

  Counts counts() const;

 private:
  struct State;
  struct Pending;
  std::shared_ptr<State> state_;
};

}  // namespace emo
