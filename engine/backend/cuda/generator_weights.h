#pragma once

#include <vector>

#include "engine/backend/cuda/memory.h"
#include "kernels/conv2d.h"
#include "weights/model_file.h"

namespace emo {

/// A generator's weights on the GPU, packed for one MathType, in one block of memory.
class GeneratorWeights {
 public:
  struct Row {
    const void* weights;        ///< see pack_conv_weights
    const float *gamma, *beta;  ///< (padded C_out); null without norm_affine, and in the head
  };

  GeneratorWeights(const ModelFile& file, MathType math);

  MathType math() const { return math_; }
  const Row& row(std::size_t i) const { return rows_[i]; }  ///< of GeneratorPlan::rows
  const float* au() const { return au_; }                   ///< see au_weights

 private:
  MathType math_;
  DeviceBuffer<std::byte> memory_;
  std::vector<Row> rows_;
  const float* au_ = nullptr;
};

}  // namespace emo
