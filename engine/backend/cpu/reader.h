#pragma once

#include <list>
#include <oneapi/dnnl/dnnl.hpp>
#include <vector>

#include "base/tensor.h"
#include "engine/backend/cpu/strip_conv.h"
#include "engine/backend/cpu/thread_pool.h"
#include "engine/backend/shared/pool.h"
#include "weights/layers.h"
#include "weights/model_file.h"

namespace emo {

/// The face reader on the CPU, in fp32: convolutions by oneDNN, and the last row, which sees its whole map, as a product of
/// matrix and vector. Weights are packed once, when it is made; a call borrows a context. Thread-safe.
class CpuReader {
 public:
  /// The file and the pool must outlive it. Throws Error(kModel) for a file of another kind.
  CpuReader(const ModelFile& file, ThreadPool& pool, int max_contexts);

  /// See Backend::read_faces. Crops are read one after the other, each by all threads, to the same bytes whatever their
  /// number.
  void read(TensorView<const float> crops, TensorView<float> answers) const;

 private:
  struct Context {
    Context(std::size_t values, std::size_t scratch_bytes) : input(values), output(values), scratch(scratch_bytes) {}
    HostBuffer<float> input, output;  // of a row, channels-last, in turn
    HostBuffer<std::byte> scratch;
  };

  void read_one(const float* crop, float* answer, Context& context) const;
  void convolve(std::size_t row, const float* input, float* output, Context& context) const;
  void connect(const float* input, float* scratch, float* answer) const;

  const ModelFile& file_;
  ThreadPool& pool_;
  const std::vector<LayerSpec> layers_;
  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  std::list<PackedWeights> weights_;  // convolutions point at them
  std::vector<StripConv> convs_;      // of all rows but the last
  const std::vector<float> answer_;   // the last row's, (C_out, C_in K K)
  std::vector<std::vector<float>> biases_;
  std::size_t values_ = 0, scratch_bytes_ = 0;  // the largest row's, and a thread's
  mutable Pool<Context> contexts_;
};

}  // namespace emo
