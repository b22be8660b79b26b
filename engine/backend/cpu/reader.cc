#include "engine/backend/cpu/reader.h"

#include <algorithm>

#include "engine/backend/shared/read_call.h"

namespace emo {

CpuReader::CpuReader(const ModelFile& file, ThreadPool& pool, int max_contexts)
    : file_(file), pool_(pool), layers_(reader_layers(file.reader())), contexts_(max_contexts) {
  for (const LayerSpec& layer : layers_) {
    PackedWeights& weights = weights_.emplace_back([&file, key = layer.weight()] { return file.floats(key); });
    const ConvGeometry geometry{layer.key, layer.op, layer.in, layer.out, layer.K, layer.K, layer.S, layer.P, layer.P};
    const StripConv& conv = convs_.emplace_back(geometry, dnnl::memory::data_type::f32, weights, engine_);
    biases_.push_back(file.floats(layer.bias()));
    values_ = std::max({values_, layer.in.count(), layer.out.count()});
    scratch_bytes_ = std::max(scratch_bytes_, (conv.scratch_bytes() + 63) / 64 * 64);
  }
}

void CpuReader::read(TensorView<const float> crops, TensorView<float> answers) const {
  check_read(layers_, crops.shape, answers.shape);
  const auto context =
      contexts_.borrow([&] { return std::make_unique<Context>(values_, scratch_bytes_ * std::size_t(pool_.threads())); });
  for (int n = 0; n < crops.shape.N; ++n) {
    read_one(crops.data + n * layers_.front().in.count(), answers.data + n * layers_.back().out.count(), *context);
  }
  check_finite({answers.data, answers.shape}, file_.name());
}

void CpuReader::read_one(const float* crop, float* answer, Context& context) const {
  float *input = context.input.data(), *output = context.output.data();
  const std::size_t plane = layers_.front().in.plane();
  for (std::size_t i = 0; i < plane; ++i) {  // planar to channels-last
    for (std::size_t c = 0; c < 3; ++c) input[3 * i + c] = crop[c * plane + i];
  }
  for (std::size_t i = 0; i < layers_.size(); ++i, std::swap(input, output)) {
    const bool relu = ends_in_relu(layers_[i]);
    const std::size_t C = biases_[i].size(), pitch = C * std::size_t(layers_[i].out.W);
    const float* bias = biases_[i].data();
    pool_.run(convs_[i].strips(), [&](int strip, int worker) {
      convs_[i].run(strip, input, output, context.scratch.data() + scratch_bytes_ * std::size_t(worker), engine_);
      float* to = output + pitch * std::size_t(convs_[i].first_row(strip));
      for (float* end = output + pitch * std::size_t(convs_[i].end_row(strip)); to < end; to += C) {
        for (std::size_t c = 0; c < C; ++c) {
          const float v = to[c] + bias[c];
          to[c] = relu && v < 0 ? 0 : v;  // NaN stays NaN
        }
      }
    });
  }
  std::copy_n(input, layers_.back().out.count(), answer);
}

}  // namespace emo
