#include "engine/backend/cuda/generator_plan.h"

#include <algorithm>

#include "kernels/first_layer.h"
#include "kernels/heads.h"
#include "kernels/instance_norm.h"
#include "kernels/launch.h"

namespace emo {

ConvShape generator_conv(const std::vector<LayerSpec>& layers, std::size_t i, int N) {
  const LayerSpec& l = layers[i];
  if (i == 0) return first_conv(N, l.C_out, l.in.H, l.in.W, l.K);
  if (l.norm == Norm::kNone) return head_conv(N, l.C_in, l.in.H, l.in.W, l.K);
  return {N,   l.in.H, l.in.W, padded_channels(l.C_in), padded_channels(l.C_out), l.K, l.K,
          l.S, l.P,    l.P,    l.op == Op::kDeconv};
}

GpuTraits GpuTraits::current(bool may_use_wgmma) {
  GpuTraits gpu{.wgmma = may_use_wgmma && has_wgmma()};
  int device = 0;
  EMO_CUDA(cudaGetDevice(&device));
  EMO_CUDA(cudaDeviceGetAttribute(&gpu.multiprocessors, cudaDevAttrMultiProcessorCount, device));
  return gpu;
}

GeneratorPlan::GeneratorPlan(const GeneratorConfig& config, MathType math, int side, int N, const GpuTraits& gpu)
    : math(math), N(N), layers(generator_layers(config, side)), rows(layers.size() - 1) {
  check_heads(layers);
  // Row i's convolution is step 2i + 1, its normalisation step 2i + 2; what they start from is made in step 0.
  const int last = 2 * int(rows.size());
  std::vector<PlannedBuffer*> buffers;
  const auto plan = [&](PlannedBuffer& buffer, std::size_t bytes, int first, int last) {
    buffer = {bytes, first, last};
    buffers.push_back(&buffer);
  };

  const std::size_t plane = std::size_t(N) * side * side, flags = 3 * plane + N * config.au_names.size();
  at = {.aus = 3 * plane,
        .flags = flags,
        .out = flags + N,
        .mask = flags + N + 3 * plane,
        .colour = flags + N + 4 * plane,
        .end = flags + N + 7 * plane};
  plan(pictures, at.end * sizeof(float), 0, last);
  const LayerSpec& first = layers[0];
  plan(au_bias, sizeof(float) * N * first.K * first.K * padded_channels(first.C_out), 0, 1);

  for (std::size_t i = 0; i < rows.size(); ++i) {
    const int step = 2 * int(i) + 1;
    const bool head = layers[i].norm == Norm::kNone;
    Row& row = rows[i];
    row.conv = generator_conv(layers, i, N);
    row.cut = conv2d_plan(math, row.conv, gpu.multiprocessors, gpu.wgmma && N >= kWgmmaBatch);
    const std::size_t value = head || !sums_as_operands(math) ? sizeof(float) : operand_bytes(math);
    const ConvWorkspaceSize workspace = conv2d_workspace(math, row.conv, row.cut);
    // A block's input is added to its second row, when that is normalised.
    const bool is_added = i + 1 < rows.size() && layers[i + 1].adds_block_input;
    plan(row.input, row.conv.in().count() * operand_bytes(math), step - 1, is_added ? step + 3 : step);
    plan(row.sums, row.conv.out().count() * value, step, step + 1);
    plan(row.split_sums, workspace.floats * sizeof(float), step, step);
    counters = std::max(counters, workspace.counters);
    if (head) continue;
    const std::size_t channels = std::size_t(N) * row.conv.C_out;
    plan(row.moments, channels * row.conv.strips() * sizeof(Moments), step, step + 1);
    plan(row.coefficients, channels * sizeof(NormCoefficients), step + 1, step + 1);
  }
  bytes = place(buffers);
}

}  // namespace emo
