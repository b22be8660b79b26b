#pragma once

#include <atomic>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace emo {

/// Lets a call use several threads. All pools of a process share one team, which has as many threads as the largest pool
/// asks for: two engines that are busy do not compete for the processors. Callers count as members of the team, so no more
/// run than it has, except where there are more callers. Nothing is pinned. Not OpenMP, whose regions each caller would
/// multiply by the team, and whose barriers ThreadSanitizer cannot see.
class ThreadPool {
 public:
  /// `threads` counts the caller of run(); 0: available_processors(). Throws Error(kDevice) when the system has not so many.
  explicit ThreadPool(int threads);

  /// Most threads of a run().
  int threads() const { return threads_; }

  /// Calls task(index, worker) for each index in [0, count), in any order, and returns when all are done. `worker` is in
  /// [0, threads()), 0 for the caller itself; no two tasks of one run() have the same worker at a time.
  /// Rethrows the first exception of a task; the tasks not yet started are then left out.
  template <typename Task>
  void run(int count, const Task& task) {
    Job job{[](const void* t, int index, int worker) { (*static_cast<const Task*>(t))(index, worker); }, &task, count,
            threads_ - 1};
    run(job);
  }

 private:
  struct Job {
    void (*call)(const void* task, int index, int worker);
    const void* task;
    int count;
    int most_helpers;
    int joined = 0;  // helpers so far, under the team's mutex: the worker of each is another
    std::atomic<int> next{0};
    std::atomic<int> helpers{0};  // inside; changed under the mutex upwards, so none joins once the job is taken off
    std::exception_ptr error{};   // under the mutex
  };
  class Team;

  void run(Job& job);

  int threads_;
  std::shared_ptr<Team> team_;
};

}  // namespace emo
