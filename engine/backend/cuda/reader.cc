#include "engine/backend/cuda/reader.h"

#include <algorithm>
#include <utility>

#include "engine/backend/cuda/generator_plan.h"
#include "engine/backend/shared/read_call.h"
#include "kernels/layout.h"
#include "kernels/relu.h"

namespace emo {
namespace {

constexpr MathType kMath = MathType::kFP32;
constexpr const char* kWeights = "the face reader's weights";
constexpr const char* kActivations = "the face reader's activations";

ConvShape conv_of(const LayerSpec& l, int N) {
  return {N, l.in.H, l.in.W, padded_channels(l.C_in), padded_channels(l.C_out), l.K, l.K, l.S, l.P, l.P};
}

}  // namespace

CudaReader::CudaReader(const ModelFile& file, int max_contexts)
    : file_(file),
      layers_(reader_layers(file.reader())),
      multiprocessors_(GpuTraits::current().multiprocessors),
      contexts_(max_contexts) {
  for (const LayerSpec& layer : layers_) {
    const auto packed = pack_conv_weights(kMath, conv_of(layer, 1), file.floats(layer.weight()), layer.C_out, layer.C_in);
    std::vector<float> bias = file.floats(layer.bias());
    bias.resize(std::size_t(padded_channels(layer.C_out)));
    rows_.push_back({{std::span<const std::byte>(packed), kWeights}, {std::span<const float>(bias), kWeights}});
  }
}

void CudaReader::read(TensorView<const float> crops, TensorView<float> answers) const {
  check_read(layers_, crops.shape, answers.shape);
  {
    const auto context = contexts_.borrow([] { return std::make_unique<Context>(); });
    for (int n = 0; n < crops.shape.N; n += kMaxCrops) {
      run(crops.data + n * layers_.front().in.count(), answers.data + n * layers_.back().out.count(),
          std::min(kMaxCrops, crops.shape.N - n), *context);
    }
  }
  check_finite({answers.data, answers.shape}, file_.name());
}

void CudaReader::run(const float* crops, float* answers, int N, Context& context) const {
  std::vector<ConvPlan> plans;
  std::size_t values = 0, sums = 0, counters = 0;
  for (const LayerSpec& layer : layers_) {
    const ConvShape shape = conv_of(layer, N);
    const ConvPlan& plan = plans.emplace_back(conv2d_plan(kMath, shape, multiprocessors_));
    const ConvWorkspaceSize workspace = conv2d_workspace(kMath, shape, plan);
    values = std::max({values, shape.in().count(), shape.out().count()});
    sums = std::max(sums, workspace.floats), counters = std::max(counters, workspace.counters);
  }
  Shape in = layers_.front().in;
  in.N = N;
  const std::size_t C_out = std::size_t(layers_.back().C_out), pitch = std::size_t(padded_channels(layers_.back().C_out));
  const cudaStream_t stream = context.stream.get();
  context.host.reserve(std::max(in.count(), N * pitch));
  context.crops.reserve(in.count(), kActivations);
  context.input.reserve(values, kActivations), context.output.reserve(values, kActivations);
  context.split_sums.reserve(sums, kActivations);
  if (counters > context.counters.size()) {
    context.counters.reserve(counters, kActivations);
    EMO_CUDA(cudaMemsetAsync(context.counters.data(), 0, counters * sizeof(unsigned), stream));
  }

  std::copy_n(crops, in.count(), context.host.data());
  EMO_CUDA(cudaMemcpyAsync(context.crops.data(), context.host.data(), in.count() * sizeof(float), cudaMemcpyHostToDevice,
                           stream));
  float *input = context.input.data(), *output = context.output.data();
  nchw_to_nhwc(context.crops.data(), input, in, padded_channels(3), stream);
  for (std::size_t i = 0; i < layers_.size(); ++i, std::swap(input, output)) {
    conv2d(kMath, conv_of(layers_[i], N), plans[i], input, rows_[i].weights.data(), output, false,
           {.bias = rows_[i].bias.data()}, {context.split_sums.data(), context.counters.data()}, stream);
    if (ends_in_relu(layers_[i])) relu(output, conv_of(layers_[i], N).out().count(), stream);
  }
  EMO_CUDA(cudaMemcpyAsync(context.host.data(), input, N * pitch * sizeof(float), cudaMemcpyDeviceToHost, stream));
  context.stream.wait();
  for (int n = 0; n < N; ++n) std::copy_n(context.host.data() + n * pitch, C_out, answers + n * C_out);
}

}  // namespace emo
