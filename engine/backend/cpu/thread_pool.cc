#include "engine/backend/cpu/thread_pool.h"

#include <omp.h>
#include <unistd.h>

#include <algorithm>

#include "base/error.h"
#include "engine/backend/cpu/processors.h"

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

class ThreadPool::Team {
 public:
  /// The process's team, of at least so many members. A process that was forked has one of its own.
  static std::shared_ptr<Team> of_process(int members);
  ~Team();

  void run(Job& job);

 private:
  void grow(int members);
  void work(Job& job, int worker);
  void loop();
  Job* join(int& worker);

  const pid_t process_ = ::getpid();
  std::mutex mutex_;
  std::condition_variable posted_;
  std::vector<Job*> jobs_;            // under mutex_
  std::vector<std::thread> workers_;  // under mutex_
  bool stop_ = false;                 // under mutex_
  std::atomic<unsigned> post_{0};     // changed under mutex_; idle workers watch it for a while before they sleep
  std::atomic<int> members_{1};       // the workers and a caller
  std::atomic<int> busy_{0};          // callers and helpers; beyond members_ a helper goes home
};

std::shared_ptr<ThreadPool::Team> ThreadPool::Team::of_process(int members) {
  static std::mutex mutex;
  static std::weak_ptr<Team> current;
  const std::lock_guard lock(mutex);
  auto team = current.lock();
  if (!team || team->process_ != ::getpid()) current = team = std::make_shared<Team>();
  team->grow(members);
  return team;
}

void ThreadPool::Team::grow(int members) {
  const std::lock_guard lock(mutex_);
  try {
    while (members_ < members) {
      workers_.emplace_back([this] { loop(); });
      ++members_;
    }
  } catch (const std::exception& e) {  // no thread, or no memory for it
    fail(ErrorKind::kDevice, "cpu: the system gives ", members_.load(), " of ", members, " threads (", e.what(),
         "); use fewer with `threads`");
  }
}

ThreadPool::Team::~Team() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    ++post_;
  }
  posted_.notify_all();
  for (auto& worker : workers_) {
    if (process_ == ::getpid()) {
      worker.join();
    } else {
      worker.detach();  // it stayed in the process that was forked
    }
  }
}

void ThreadPool::Team::run(Job& job) {
  const bool room = ++busy_ < members_;
  if (!room || job.count <= 1 || job.most_helpers == 0) {
    work(job, 0);
  } else {
    {
      const std::lock_guard lock(mutex_);
      jobs_.push_back(&job);
      ++post_;
    }
    posted_.notify_all();
    work(job, 0);
    {
      const std::lock_guard lock(mutex_);
      std::erase(jobs_, &job);
    }
    while (!spin([&] { return job.helpers.load() == 0; })) std::this_thread::yield();
  }
  --busy_;
}

void ThreadPool::Team::work(Job& job, int worker) {
  while (worker == 0 || busy_ <= members_) {
    const int i = job.next.fetch_add(1);
    if (i >= job.count) return;
    try {
      job.call(job.task, i, worker);
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!job.error) job.error = std::current_exception();
      job.next.store(job.count);
    }
  }
}

/// A job with tasks left, this thread counted among its helpers as `worker`; null: none, or no room.
ThreadPool::Job* ThreadPool::Team::join(int& worker) {
  if (busy_ >= members_) return nullptr;
  for (Job* job : jobs_) {
    if (job->next.load() >= job->count || job->joined == job->most_helpers) continue;
    worker = ++job->joined;
    ++job->helpers;
    ++busy_;
    return job;
  }
  return nullptr;
}

void ThreadPool::Team::loop() {
  omp_set_num_threads(1);  // whatever a library does inside a task stays on this thread
  for (;;) {
    const unsigned seen = post_;
    Job* job = nullptr;
    int worker = 0;
    {
      const std::lock_guard lock(mutex_);
      if (stop_) return;
      job = join(worker);
    }
    if (job) {
      work(*job, worker);
      --busy_;
      --job->helpers;  // the job may be gone from here on
    } else if (!spin([&] { return post_ != seen || busy_ >= members_; }) || post_ == seen) {
      std::unique_lock lock(mutex_);
      posted_.wait(lock, [&] { return stop_ || post_ != seen; });
    }
  }
}

ThreadPool::ThreadPool(int threads)
    : threads_(threads > 0 ? threads : available_processors()), team_(Team::of_process(threads_)) {}

void ThreadPool::run(Job& job) {
  team_->run(job);
  if (job.error) std::rethrow_exception(job.error);
}

}  // namespace emo
