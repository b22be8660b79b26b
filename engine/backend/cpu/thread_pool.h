#pragma once

#include <atomic>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace emo {

/// Processors that this process may run on (its affinity mask), at least 1.
int available_processors();

/// A fixed team of threads. Several threads may call run() at once: their tasks share the team, so a machine is never
/// asked to run more than threads() plus the callers. Not OpenMP, whose regions each caller would multiply by the team,
/// and whose barriers ThreadSanitizer cannot see.
class ThreadPool {
 public:
  /// `threads` counts the caller of run(); 0: available_processors(). Throws Error(kDevice) when the system has not so many.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return int(workers_.size()) + 1; }

  /// Calls task(index, worker) for each index in [0, count), in any order, and returns when all are done. `worker` is in
  /// [0, threads()), 0 for the caller itself; no two tasks of one run() have the same worker at a time.
  /// Rethrows the first exception of a task; the tasks not yet started are then left out.
  template <typename Task>
  void run(int count, const Task& task) {
    Job job{[](const void* t, int index, int worker) { (*static_cast<const Task*>(t))(index, worker); }, &task, count};
    run(job);
  }

 private:
  struct Job {
    void (*call)(const void* task, int index, int worker);
    const void* task;
    int count;
    std::atomic<int> next{0};
    std::atomic<int> helpers{0};  // workers inside; changed under mutex_ upwards, so none joins once the job is taken off
    std::exception_ptr error{};   // under mutex_
  };

  void run(Job& job);
  void work(Job& job, int worker);
  void loop(int worker);
  void stop();
  Job* join();  // a job with tasks left, its helpers counted up; null: none

  std::mutex mutex_;
  std::condition_variable posted_;
  std::vector<Job*> jobs_;         // under mutex_
  bool stop_ = false;              // under mutex_
  std::atomic<unsigned> post_{0};  // changed under mutex_; idle workers watch it for a while before they sleep
  std::vector<std::thread> workers_;
};

}  // namespace emo
