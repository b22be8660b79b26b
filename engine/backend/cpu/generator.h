#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <oneapi/dnnl/dnnl.hpp>
#include <vector>

#include "engine/backend/backend.h"
#include "engine/backend/cpu/au_bias.h"
#include "engine/backend/cpu/strip_conv.h"
#include "engine/backend/cpu/thread_pool.h"
#include "weights/layers.h"
#include "weights/model_file.h"

namespace emo {

/// The GANimation generator on the CPU. Weights are packed once, when it is made; activations live in contexts of which a
/// call borrows one, so calls are thread-safe and allocate no tensor once there are as many contexts as callers, or
/// max_contexts; further callers wait.
class CpuGenerator {
 public:
  /// `precision` is kFp32 or kBf16: bf16 inputs and weights of every convolution; sums, normalisation and the residual
  /// stream are fp32. The file and the pool must outlive it. Throws Error(kModel) for a speech model's file.
  CpuGenerator(const ModelFile& file, Precision precision, ThreadPool& pool, int max_contexts = 2);
  ~CpuGenerator();

  /// See Backend::generate. Images are computed one after the other, each by all threads. When it throws for an image,
  /// the outputs of those before it are whole and the others are not to be used.
  void generate(const GenerateCall& call) const;

 private:
  struct Row;      // a row of the table: its weights
  struct Plan;     // what depends on the picture's side: primitives, buffer sizes, the free contexts
  struct Context;  // one call's activations

  Plan& plan(int side) const;
  bool run(const Plan& plan, Context& context, const float* face, const float* au, float* out, float* mask, float* colour,
           const LayerSink* sink) const;
  void normalised_conv(const Plan& plan, std::size_t i, Context& context) const;

  const ModelFile& file_;
  const GeneratorConfig& config_;
  bool bf16_;
  ThreadPool& pool_;
  const int max_contexts_;
  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  std::vector<Row> rows_;
  AuBias au_bias_;
  mutable std::mutex plans_mutex_;
  mutable std::map<int, std::unique_ptr<Plan>> plans_;
};

}  // namespace emo
