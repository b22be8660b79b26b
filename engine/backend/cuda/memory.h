#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>

#include "base/error.h"
#include "kernels/launch.h"

/// Owners of what the CUDA runtime hands out. They move and never copy; freeing reports nothing, since a device that is dead
/// cannot free.
namespace emo {

/// Device memory, uninitialised.
template <typename T>
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  /// Throws Error(kMemory) when the device has not got that much left; the text says for what, how much, and how much is
  /// free.
  DeviceBuffer(std::size_t count, const char* what) : count_(count) {
    if (count == 0) return;
    void* p = nullptr;
    const cudaError_t result = cudaMalloc(&p, count * sizeof(T));
    if (result == cudaErrorMemoryAllocation) fail_out_of_memory(count * sizeof(T), what);
    check_cuda(result, what);
    data_.reset(static_cast<T*>(p));
  }
  /// Of values in host memory, there when the constructor returns. For what is made once, not for calls.
  DeviceBuffer(std::span<const T> values, const char* what) : DeviceBuffer(values.size(), what) {
    if (values.empty()) return;
    EMO_CUDA(cudaMemcpy(data(), values.data(), values.size_bytes(), cudaMemcpyHostToDevice));
    // cudaMemcpy may return while the device still copies, and a Stream does not wait for the default one.
    EMO_CUDA(cudaStreamSynchronize(nullptr));
  }

  /// Makes room for at least so many values. What it held is lost when it has to grow; growing waits for the device.
  void reserve(std::size_t count, const char* what) {
    if (count <= count_) return;
    *this = DeviceBuffer();  // or the device would have to hold both
    *this = DeviceBuffer(count, what);
  }

  T* data() const { return data_.get(); }
  std::size_t size() const { return count_; }

 private:
  [[noreturn]] static void fail_out_of_memory(std::size_t bytes, const char* what) {
    cudaGetLastError();
    std::size_t free_bytes = 0, total_bytes = 0;
    cudaMemGetInfo(&free_bytes, &total_bytes);
    fail(ErrorKind::kMemory, "cuda: ", what, " needs ", bytes >> 20, " MiB of the GPU's memory, and ", free_bytes >> 20,
         " of its ", total_bytes >> 20, " MiB are free; close what else uses it, or use `backend` cpu");
  }
  struct Free {
    void operator()(T* p) const { cudaFree(p); }
  };
  std::unique_ptr<T, Free> data_;
  std::size_t count_ = 0;
};

/// Page-locked host memory, uninitialised: the only kind that copies without holding up the caller.
template <typename T>
class PinnedBuffer {
 public:
  PinnedBuffer() = default;
  explicit PinnedBuffer(std::size_t count) : count_(count) {
    if (count == 0) return;
    void* p = nullptr;
    check_cuda(cudaMallocHost(&p, count * sizeof(T)), concat("page-locked memory of ", count * sizeof(T), " bytes"));
    data_.reset(static_cast<T*>(p));
  }

  /// As DeviceBuffer's.
  void reserve(std::size_t count) {
    if (count <= count_) return;
    *this = PinnedBuffer();
    *this = PinnedBuffer(count);
  }

  T* data() const { return data_.get(); }
  std::size_t size() const { return count_; }
  std::span<T> span() const { return {data_.get(), count_}; }

 private:
  struct Free {
    void operator()(T* p) const { cudaFreeHost(p); }
  };
  std::unique_ptr<T, Free> data_;
  std::size_t count_ = 0;
};

/// Selects a device for the calls of this thread, and at the end of its scope the one that was selected before. What fails
/// here is reported by the calls between.
class OnDevice {
 public:
  explicit OnDevice(int device) {
    cudaGetDevice(&before_);
    cudaSetDevice(device);
  }
  OnDevice(const OnDevice&) = delete;
  ~OnDevice() { cudaSetDevice(before_); }

 private:
  int before_ = 0;
};

/// A stream that waits for no other.
class Stream {
 public:
  Stream() {
    cudaStream_t stream = nullptr;
    EMO_CUDA(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    stream_.reset(stream);
  }
  cudaStream_t get() const { return stream_.get(); }
  /// Waits for all that was asked of it; what failed meanwhile is thrown here.
  void wait() const { EMO_CUDA(cudaStreamSynchronize(get())); }

 private:
  struct Destroy {
    void operator()(cudaStream_t stream) const { cudaStreamDestroy(stream); }
  };
  std::unique_ptr<std::remove_pointer_t<cudaStream_t>, Destroy> stream_;
};

/// A place in a stream's work that can be waited for.
class Event {
 public:
  Event() {
    cudaEvent_t event = nullptr;
    EMO_CUDA(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
    event_.reset(event);
  }
  void record(const Stream& stream) const { EMO_CUDA(cudaEventRecord(event_.get(), stream.get())); }
  void wait() const { EMO_CUDA(cudaEventSynchronize(event_.get())); }

 private:
  struct Destroy {
    void operator()(cudaEvent_t event) const { cudaEventDestroy(event); }
  };
  std::unique_ptr<std::remove_pointer_t<cudaEvent_t>, Destroy> event_;
};

}  // namespace emo
