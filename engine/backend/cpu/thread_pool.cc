#include "engine/backend/cpu/thread_pool.h"

#include <omp.h>
#include <sched.h>

#include <algorithm>

#include "base/error.h"

namespace emo {
namespace {

// The gaps between the regions of a layer are a few microseconds, waking a sleeping thread costs 50: watch first. About
// 50 us on 3 GHz x86, where a pause takes 15 to 50 ns; bounded, so that two busy processes do not starve each other.
constexpr int kSpins = 2000;

template <typename Done>
bool spin(const Done& done) {
  for (int i = 0; i < kSpins; ++i) {
    if (done()) return true;
    __builtin_ia32_pause();
  }
  return done();
}

}  // namespace

int available_processors() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1, int(std::thread::hardware_concurrency()));
}

ThreadPool::ThreadPool(int threads) {
  if (threads <= 0) threads = available_processors();
  try {
    for (int i = 1; i < threads; ++i) workers_.emplace_back([this, i] { loop(i); });
  } catch (const std::exception& e) {  // no thread, or no memory for it
    const int started = this->threads();
    stop();
    fail(ErrorKind::kDevice, "cpu: the system gives ", started, " of ", threads, " threads (", e.what(),
         "); use fewer with `threads`");
  }
}

ThreadPool::~ThreadPool() { stop(); }

void ThreadPool::stop() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
    post_.fetch_add(1);
  }
  posted_.notify_all();
  for (auto& worker : workers_) worker.join();
}

void ThreadPool::run(Job& job) {
  if (workers_.empty() || job.count <= 1) {
    work(job, 0);
  } else {
    {
      std::lock_guard lock(mutex_);
      jobs_.push_back(&job);
      post_.fetch_add(1);
    }
    posted_.notify_all();
    work(job, 0);
    {
      std::lock_guard lock(mutex_);
      std::erase(jobs_, &job);
    }
    while (!spin([&] { return job.helpers.load() == 0; })) std::this_thread::yield();
  }
  if (job.error) std::rethrow_exception(job.error);
}

void ThreadPool::work(Job& job, int worker) {
  for (int i; (i = job.next.fetch_add(1)) < job.count;) {
    try {
      job.call(job.task, i, worker);
    } catch (...) {
      std::lock_guard lock(mutex_);
      if (!job.error) job.error = std::current_exception();
      job.next.store(job.count);
    }
  }
}

ThreadPool::Job* ThreadPool::join() {
  for (Job* job : jobs_) {
    if (job->next.load() >= job->count) continue;
    job->helpers.fetch_add(1);
    return job;
  }
  return nullptr;
}

void ThreadPool::loop(int worker) {
  omp_set_num_threads(1);  // whatever a library does inside a task stays on this thread
  for (;;) {
    const unsigned seen = post_.load();
    Job* job = nullptr;
    {
      std::lock_guard lock(mutex_);
      if (stop_) return;
      job = join();
    }
    if (job) {
      work(*job, worker);
      job->helpers.fetch_sub(1);  // the job may be gone from here on
    } else if (!spin([&] { return post_.load() != seen; })) {
      std::unique_lock lock(mutex_);
      posted_.wait(lock, [&] { return stop_ || post_.load() != seen; });
    }
  }
}

}  // namespace emo
