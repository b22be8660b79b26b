// What the files of the module `core` share: emoengine.hpp for Python, without defaults or conveniences of its own; those
// are in python/emoengine/. Every call that works releases the GIL; no thread of the engine calls Python.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <emoengine.hpp>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

namespace emo::python {

namespace nb = nanobind;

/// Pixels (H,W,3) or (H,W,4), and values.
using Pixels = nb::ndarray<std::uint8_t, nb::ndim<3>, nb::device::cpu>;
using ConstPixels = nb::ndarray<const std::uint8_t, nb::ndim<3>, nb::device::cpu>;
using Values = nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Table = nb::ndarray<const float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Square = std::tuple<float, float, float, float>;  // left, top, side, roll

/// Throws emoengine.ArgumentError.
[[noreturn]] inline void refuse(const std::string& text) { throw emoengine::Error(EMO_ARGUMENT, text.c_str()); }

/// A call that releases the GIL. When Python ends it takes no thread back, which would then die within our frames; so
/// core.end() waits for those that run, and no more begin.
class Call {
 public:
  Call() {
    if (ending) refuse("emoengine: Python is ending; let threads end before it");
    ++running;
  }
  ~Call() { --running; }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  static void end() {
    ending = true;
    nb::gil_scoped_release released;
    while (running > 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  /// In a forked child, which has none of the threads that were in a call.
  static void forget() { running = 0; }

 private:
  static inline std::atomic<int> running = 0;
  static inline std::atomic<bool> ending = false;
};

/// Pixels in the array's memory. Throws for other than 3 or 4 channels, and where the pixels of a row have gaps.
template <typename Array>
emo_image image_of(const Array& pixels, bool bgr) {
  const auto channels = pixels.shape(2);
  if (channels != 3 && channels != 4)
    refuse("a picture of " + std::to_string(channels) + " channels came; 3 or 4 are taken");
  const bool dense = pixels.stride(2) == 1 && (pixels.shape(1) == 1 || pixels.stride(1) == std::int64_t(channels));
  if (!dense || pixels.shape(0) > INT32_MAX || pixels.shape(1) > INT32_MAX || pixels.stride(0) < 0) {
    refuse("a picture with gaps between its pixels came; use numpy.ascontiguousarray");
  }
  const std::int32_t format = (channels == 3 ? EMO_RGB8 : EMO_RGBA8) + bgr;
  return {const_cast<std::uint8_t*>(pixels.data()),
          std::int32_t(pixels.shape(1)),
          std::int32_t(pixels.shape(0)),
          pixels.shape(0) == 1 ? 0 : std::ptrdiff_t(pixels.stride(0)),
          format,
          0};
}

/// An array that owns `keep`, whose memory it shows.
template <typename T, typename Owner>
nb::ndarray<nb::numpy, T> owning(std::unique_ptr<Owner> keep, T* data, std::initializer_list<std::size_t> shape) {
  nb::capsule owner(keep.get(), [](void* p) noexcept { delete static_cast<Owner*>(p); });
  keep.release();
  return nb::ndarray<nb::numpy, T>(data, shape, owner);
}

/// What a library's log says, till Python asks: its lines come from any thread.
class Notes {
 public:
  static void add(void* self, std::int32_t level, const char* line) {
    auto& notes = *static_cast<Notes*>(self);
    const std::lock_guard lock(notes.mutex_);
    if (notes.lines_.size() < 100) notes.lines_.emplace_back(level, line);
  }
  std::vector<std::pair<int, std::string>> take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(lines_, {});
  }

 private:
  std::mutex mutex_;
  std::vector<std::pair<int, std::string>> lines_;
};

/// Ends the redrawing that it was given to, from another thread.
class Cancel {
 public:
  void cancel() {
    const std::lock_guard lock(mutex_);
    cancelled_ = true;
    for (emo_job* job : jobs_) emo_cancel(job);
  }
  void add(emo_job* job) {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(job);
    if (cancelled_) emo_cancel(job);
  }
  void remove(emo_job* job) {
    const std::lock_guard lock(mutex_);
    std::erase(jobs_, job);
  }

 private:
  std::mutex mutex_;
  bool cancelled_ = false;
  std::vector<emo_job*> jobs_;
};

/// An open engine. Handles made of it keep it, so that it closes when the last is gone.
struct Opened {
  Notes notes;
  Cancel jobs;  // all that run
  std::unique_ptr<emoengine::Engine> engine;
  const pid_t pid = ::getpid();

  ~Opened() {
    // A forked child has the memory, but none of the threads that closing waits for.
    if (pid != ::getpid()) engine.release();
  }
};

/// Runs `wait(50 ms)` without the GIL until it gives true. On Ctrl-C calls `stop`, waits on, and lets the signal's exception
/// pass.
template <typename Wait, typename Stop>
void wait_for(const Wait& wait, const Stop& stop) {
  for (;;) {
    {
      nb::gil_scoped_release released;
      if (wait(50'000)) return;
    }
    if (PyErr_CheckSignals() == 0) continue;
    nb::python_error error;
    {
      nb::gil_scoped_release released;
      stop();
      while (!wait(-1)) {
      }
    }
    throw error;
  }
}

void bind_engine(nb::module_& m);
void bind_frames(nb::module_& m);
void bind_media(nb::module_& m);

}  // namespace emo::python
