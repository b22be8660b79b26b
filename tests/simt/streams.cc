// Streams, events and graphs. A stream is a list of what it was asked to do; it is done when somebody waits for it.
#include <algorithm>
#include <chrono>
#include <cstring>
#include <deque>
#include <memory>
#include <vector>

#include "runtime.h"

struct CUgraph_st {
  std::vector<simt::Work> work;
};
struct CUgraphExec_st {
  std::shared_ptr<const std::vector<simt::Work>> work;
};
struct CUstream_st {
  bool blocking = true;  // ordered with the default stream
  int device = 0;
  std::deque<simt::Work> queue;
  CUgraph_st* capture = nullptr;
};
struct CUevent_st {
  bool done = true;  // an event that was never recorded counts as done
  CUstream_st* stream = nullptr;
  CUgraph_st* capture = nullptr;
  std::chrono::steady_clock::time_point time;
};

namespace simt {
namespace {

CUstream_st default_stream;
std::vector<CUstream_st*> streams;

cudaError_t do_first(CUstream_st& stream) {
  State& s = the_state();
  Work work = std::move(stream.queue.front());
  stream.queue.pop_front();
  const cudaError_t error = s.sticky != cudaSuccess ? s.sticky : work();
  if (error != cudaSuccess) s.sticky = error;
  return report(error);
}

cudaError_t drain(CUstream_st& stream) {
  while (!stream.queue.empty()) do_first(stream);
  return report(the_state().sticky);
}

CUstream_st& stream_of(cudaStream_t stream) { return stream ? *stream : default_stream; }

// What the default stream is asked waits for all blocking streams, and they for it.
void order_with_default(CUstream_st& stream) {
  if (&stream == &default_stream) {
    for (CUstream_st* other : streams) {
      if (other->blocking && !other->capture) drain(*other);
    }
  } else if (stream.blocking) {
    drain(default_stream);
  }
}

cudaError_t finish(CUevent_st& event) {
  while (!event.done && !event.stream->queue.empty()) do_first(*event.stream);
  return report(the_state().sticky);
}

bool is_pinned(const void* p) {
  const auto& pinned = the_state().pinned_memory;
  const auto next = pinned.upper_bound(const_cast<void*>(p));
  return next != pinned.begin() && p < std::prev(next)->second.data() + std::prev(next)->second.bytes();
}

}  // namespace

int device_of(cudaStream_t stream) { return stream ? stream->device : current_device(); }

cudaError_t enqueue(cudaStream_t stream, Work work) {
  State& s = the_state();
  const std::lock_guard lock(s.mutex);
  if (s.sticky != cudaSuccess) return report(s.sticky);
  CUstream_st& to = stream_of(stream);
  if (to.capture) {
    to.capture->work.push_back(std::move(work));
    return cudaSuccess;
  }
  order_with_default(to);
  to.queue.push_back(std::move(work));
  return cudaSuccess;
}

void forget_queued_work() {
  default_stream.queue.clear();
  for (CUstream_st* stream : streams) stream->queue.clear();
}

}  // namespace simt

using namespace simt;

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  if (device_error() != cudaSuccess) return report(device_error());
  const std::lock_guard lock(the_state().mutex);
  *stream = new CUstream_st{.blocking = !(flags & cudaStreamNonBlocking), .device = current_device()};
  streams.push_back(*stream);
  return report(the_state().sticky);
}
cudaError_t cudaStreamCreate(cudaStream_t* stream) { return cudaStreamCreateWithFlags(stream, cudaStreamDefault); }

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  const std::lock_guard lock(the_state().mutex);
  const cudaError_t error = drain(*stream);
  std::erase(streams, stream);
  delete stream;
  return error;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  const std::lock_guard lock(the_state().mutex);
  CUstream_st& s = stream_of(stream);
  if (s.capture) return report(cudaErrorStreamCaptureUnsupported);
  order_with_default(s);
  return drain(s);
}

cudaError_t cudaStreamQuery(cudaStream_t stream) {
  const std::lock_guard lock(the_state().mutex);
  return stream_of(stream).queue.empty() ? report(the_state().sticky) : cudaErrorNotReady;
}

cudaError_t cudaDeviceSynchronize() {
  const std::lock_guard lock(the_state().mutex);
  for (CUstream_st* stream : streams) {
    if (stream->capture) return report(cudaErrorStreamCaptureUnsupported);
    drain(*stream);
  }
  return drain(default_stream);
}

cudaError_t cudaDeviceReset() {
  reset();
  return cudaSuccess;
}

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, void (*function)(void*), void* data) {
  return enqueue(stream, [=] {
    function(data);
    return cudaSuccess;
  });
}

// --- copies: pageable host memory is read before the call returns, pinned memory when the stream gets there ---

cudaError_t cudaMemcpy2DAsync(void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch,
                              std::size_t width_bytes, std::size_t rows, cudaMemcpyKind kind, cudaStream_t stream) {
  if (width_bytes > to_pitch || width_bytes > from_pitch) return report(cudaErrorInvalidValue);
  const std::lock_guard lock(the_state().mutex);
  const bool at_once = kind == cudaMemcpyHostToDevice && !is_pinned(from) && !stream_of(stream).capture;
  const cudaError_t error = enqueue(stream, [=] {
    for (std::size_t row = 0; row < rows && width_bytes > 0; ++row) {  // nothing may be copied to nowhere
      std::memmove(static_cast<char*>(to) + row * to_pitch, static_cast<const char*>(from) + row * from_pitch, width_bytes);
    }
    return cudaSuccess;
  });
  return at_once && error == cudaSuccess ? drain(stream_of(stream)) : error;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  return cudaMemcpy2DAsync(to, bytes, from, bytes, bytes, 1, kind, stream);
}

cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  const cudaError_t error = cudaMemcpyAsync(to, from, bytes, kind, nullptr);
  return error == cudaSuccess ? cudaStreamSynchronize(nullptr) : error;
}

cudaError_t cudaMemsetAsync(void* pointer, int value, std::size_t bytes, cudaStream_t stream) {
  return enqueue(stream, [=] {
    if (bytes > 0) std::memset(pointer, value, bytes);
    return cudaSuccess;
  });
}
cudaError_t cudaMemset(void* pointer, int value, std::size_t bytes) {
  return cudaMemsetAsync(pointer, value, bytes, nullptr);
}

// --- events ---

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  if (device_error() != cudaSuccess) return report(device_error());
  *event = new CUevent_st;
  return report(the_state().sticky);
}
cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, cudaEventDefault); }

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  const std::lock_guard lock(the_state().mutex);
  const cudaError_t error = event->stream ? finish(*event) : cudaSuccess;  // its mark may still lie in a queue
  delete event;
  return error;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const std::lock_guard lock(the_state().mutex);
  CUstream_st& s = stream_of(stream);
  event->capture = s.capture;
  if (s.capture) return cudaSuccess;
  event->stream = &s;
  event->done = false;
  return enqueue(stream, [event] {
    event->done = true;
    event->time = std::chrono::steady_clock::now();
    return cudaSuccess;
  });
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  const std::lock_guard lock(the_state().mutex);
  CUstream_st& s = stream_of(stream);
  if (event->capture) {  // the stream joins the capture
    s.capture = event->capture;
    return cudaSuccess;
  }
  if (s.capture) return report(cudaErrorStreamCaptureUnsupported);
  return enqueue(stream, [event] { return finish(*event); });
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  const std::lock_guard lock(the_state().mutex);
  return finish(*event);
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  const std::lock_guard lock(the_state().mutex);
  return event->done ? report(the_state().sticky) : cudaErrorNotReady;
}

cudaError_t cudaEventElapsedTime(float* ms, cudaEvent_t from, cudaEvent_t to) {
  const std::lock_guard lock(the_state().mutex);
  if (!from->stream || !to->stream) return report(cudaErrorInvalidResourceHandle);
  if (!from->done || !to->done) return cudaErrorNotReady;
  *ms = std::chrono::duration<float, std::milli>(to->time - from->time).count();
  return cudaSuccess;
}

// --- graphs ---

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  const std::lock_guard lock(the_state().mutex);
  if (!stream) return report(cudaErrorStreamCaptureUnsupported);
  if (stream->capture) return report(cudaErrorInvalidValue);
  stream->capture = new CUgraph_st;
  return report(the_state().sticky);
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  const std::lock_guard lock(the_state().mutex);
  *graph = stream->capture;
  if (!*graph) return report(cudaErrorInvalidValue);
  for (CUstream_st* other : streams) {
    if (other->capture == *graph) other->capture = nullptr;
  }
  return cudaSuccess;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  *status = stream && stream->capture ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long) {
  const std::lock_guard lock(the_state().mutex);
  ++the_state().recorded_graphs;
  *exec = new CUgraphExec_st{std::make_shared<const std::vector<Work>>(graph->work)};
  return report(the_state().sticky);
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  return enqueue(stream, [work = exec->work] {
    for (const Work& item : *work) {
      if (const cudaError_t error = item(); error != cudaSuccess) return error;
    }
    return cudaSuccess;
  });
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  delete exec;
  return cudaSuccess;
}
