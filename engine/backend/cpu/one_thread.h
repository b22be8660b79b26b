#pragma once

#include <omp.h>

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

}  // namespace emo
