#pragma once

#include <vector>

#include "base/tensor.h"
#include "engine/backend/cuda/memory.h"
#include "engine/backend/shared/pool.h"
#include "kernels/conv2d.h"
#include "weights/layers.h"
#include "weights/model_file.h"

namespace emo {

/// The face reader on a GPU, in fp32: 90 million multiplications a crop leave nothing to gain by less. Thread-safe.
class CudaReader {
 public:
  /// The file must outlive it. Throws Error(kModel) for a file of another kind, Error(kMemory) when the device has no room.
  CudaReader(const ModelFile& file, int max_contexts);

  /// See Backend::read_faces. A crop gets the same bytes in any batch.
  void read(TensorView<const float> crops, TensorView<float> answers) const;

 private:
  static constexpr int kMaxCrops = 16;  ///< of a run; larger batches are cut

  struct Row {
    DeviceBuffer<std::byte> weights;
    DeviceBuffer<float> bias;  // (C_out), padded with zeros
  };
  struct Context {
    Stream stream;
    PinnedBuffer<float> host;
    DeviceBuffer<float> crops, input, output, split_sums;
    DeviceBuffer<unsigned> counters;
  };

  void run(const float* crops, float* answers, int N, Context& context) const;

  const ModelFile& file_;
  const std::vector<LayerSpec> layers_;
  std::vector<Row> rows_;
  int multiprocessors_ = 0;
  mutable Pool<Context> contexts_;
};

}  // namespace emo
