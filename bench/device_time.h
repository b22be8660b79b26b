#pragma once

#include <cuda_runtime.h>

#include <memory>
#include <type_traits>

#include "bench/latencies.h"
#include "engine/backend/cuda/graph.h"
#include "engine/backend/cuda/memory.h"

namespace emo {

/// A point on a stream whose time is taken.
class TimedEvent {
 public:
  TimedEvent() {
    cudaEvent_t event = nullptr;
    EMO_CUDA(cudaEventCreate(&event));
    event_.reset(event);
  }
  void record(const Stream& stream) const { EMO_CUDA(cudaEventRecord(event_.get(), stream.get())); }
  /// Waits for this one; s.
  double seconds_since(const TimedEvent& start) const {
    float ms = 0;
    EMO_CUDA(cudaEventSynchronize(event_.get()));
    EMO_CUDA(cudaEventElapsedTime(&ms, start.event_.get(), event_.get()));
    return ms * 1e-3;
  }

 private:
  struct Destroy {
    void operator()(cudaEvent_t event) const { cudaEventDestroy(event); }
  };
  std::unique_ptr<std::remove_pointer_t<cudaEvent_t>, Destroy> event_;
};

/// Time on the device, s, of what enqueue() puts on the stream.
template <typename Enqueue>
double device_seconds(const Stream& stream, Enqueue&& enqueue) {
  const TimedEvent start, end;
  start.record(stream);
  enqueue();
  end.record(stream);
  return end.seconds_since(start);
}

/// Of a graph, whose time is the device's and not that of launching, in a benchmark with manual time, which Google Benchmark
/// would otherwise choose by the time of one call.
inline constexpr int kReplays = 100;

/// The body of such a benchmark: replays a graph of `calls` calls; the times of one call.
inline Latencies time_replays(benchmark::State& state, const Stream& stream, const Graph& graph, int calls) {
  Latencies times;
  const auto seconds_a_call = [&] { return device_seconds(stream, [&] { graph.launch(stream); }) / calls; };
  warm_up(seconds_a_call);
  for (auto _ : state) {
    times.add(seconds_a_call());
    state.SetIterationTime(times.last());
  }
  return times;
}

inline int device_attribute(cudaDeviceAttr attribute) {
  int device = 0, value = 0;
  EMO_CUDA(cudaGetDevice(&device));
  EMO_CUDA(cudaDeviceGetAttribute(&value, attribute, device));
  return value;
}

/// The median of `tries`, after a warm-up.
template <typename Enqueue>
double median_device_seconds(const Stream& stream, int tries, Enqueue&& enqueue) {
  Latencies times;
  warm_up([&] { device_seconds(stream, enqueue); });
  for (int i = 0; i < tries; ++i) times.add(device_seconds(stream, enqueue));
  return times.median();
}

}  // namespace emo
