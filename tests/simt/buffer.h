#pragma once

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include "kernels/launch.h"

namespace emo {

/// Device memory for a test, and the way there and back.
template <typename T>
class Buffer {
 public:
  explicit Buffer(std::size_t count) : count_(count) { EMO_CUDA(cudaMalloc(&data_, count * sizeof(T))); }
  explicit Buffer(const std::vector<T>& values) : Buffer(values.size()) {
    EMO_CUDA(cudaMemcpy(data_, values.data(), count_ * sizeof(T), cudaMemcpyHostToDevice));
    EMO_CUDA(cudaStreamSynchronize(nullptr));  // the device may still copy, and a Stream does not wait for the default one
  }
  ~Buffer() { cudaFree(data_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  T* get() const { return data_; }
  operator T*() const { return data_; }
  std::size_t size() const { return count_; }

  /// Waits for all that was launched, and gives what is there now.
  std::vector<T> host() const {
    EMO_CUDA(cudaDeviceSynchronize());
    std::vector<T> values(count_);
    EMO_CUDA(cudaMemcpy(values.data(), data_, count_ * sizeof(T), cudaMemcpyDeviceToHost));
    return values;
  }

 private:
  T* data_ = nullptr;
  std::size_t count_;
};

}  // namespace emo
