#pragma once

#include <cuda_runtime.h>

#include <memory>
#include <type_traits>

#include "engine/backend/cuda/memory.h"

namespace emo {

/// Work that was recorded from a stream, to be asked for again by one call.
class Graph {
 public:
  Graph() = default;
  /// Records what `enqueue()` asks of `stream`; nothing of it runs. Other threads may use the device meanwhile.
  template <typename Enqueue>
  Graph(const Stream& stream, const Enqueue& enqueue) {
    EMO_CUDA(cudaStreamBeginCapture(stream.get(), cudaStreamCaptureModeThreadLocal));
    try {
      enqueue();
    } catch (...) {
      cudaGraph_t abandoned = nullptr;
      if (cudaStreamEndCapture(stream.get(), &abandoned) == cudaSuccess) cudaGraphDestroy(abandoned);
      throw;
    }
    cudaGraph_t ended = nullptr;
    EMO_CUDA(cudaStreamEndCapture(stream.get(), &ended));
    const std::unique_ptr<std::remove_pointer_t<cudaGraph_t>, Destroy> recorded(ended);
    cudaGraphExec_t graph = nullptr;
    EMO_CUDA(cudaGraphInstantiate(&graph, recorded.get(), 0));
    graph_.reset(graph);
  }

  explicit operator bool() const { return graph_ != nullptr; }
  void launch(const Stream& stream) const { EMO_CUDA(cudaGraphLaunch(graph_.get(), stream.get())); }

 private:
  struct Destroy {
    void operator()(cudaGraph_t graph) const { cudaGraphDestroy(graph); }
    void operator()(cudaGraphExec_t graph) const { cudaGraphExecDestroy(graph); }
  };

  std::unique_ptr<std::remove_pointer_t<cudaGraphExec_t>, Destroy> graph_;
};

}  // namespace emo
