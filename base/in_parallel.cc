#include "base/in_parallel.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace emo {

void in_parallel(int count, int workers, const std::function<void(int)>& task, const std::function<bool()>& stop) {
  if (workers <= 0) workers = std::max(1, int(std::thread::hardware_concurrency()));
  std::atomic<int> next{0};
  std::mutex mutex;
  std::exception_ptr error;
  const auto work = [&] {
    try {
      for (int i; !(stop && stop()) && (i = next.fetch_add(1)) < count;) task(i);
    } catch (...) {
      next = count;
      const std::lock_guard lock(mutex);
      if (!error) error = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> others;
    for (int i = 1; i < std::min(workers, count); ++i) others.emplace_back(work);
    work();
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace emo
