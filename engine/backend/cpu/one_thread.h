#pragma once

#include <omp.h>

#include <mutex>

namespace emo {

/// While it lives, oneDNN makes primitives for one thread: oneDNN 2.6 builds the number of threads into them.
class OneThread {
 public:
  OneThread() { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(saved_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int saved_ = omp_get_max_threads();
};

/// Held while oneDNN makes a convolution. With AMX, oneDNN 2.6.3 spoils those that two threads make at the same time: of 450
/// processes that opened a generator and a face reader at once, one in fifteen read nonsense.
inline std::mutex& making_convolution() {
  static std::mutex one;
  return one;
}

}  // namespace emo
