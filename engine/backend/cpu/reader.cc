#include "engine/backend/cpu/reader.h"

#include <algorithm>

#include "engine/backend/cpu/pointwise.h"
#include "engine/backend/shared/read_call.h"

namespace emo {

CpuReader::CpuReader(const ModelFile& file, ThreadPool& pool, int max_contexts)
    : file_(file),
      pool_(pool),
      layers_(reader_layers(file.reader())),
      answer_(file.floats(layers_.back().weight())),
      contexts_(max_contexts) {
  for (const LayerSpec& layer : layers_) {
    biases_.push_back(file.floats(layer.bias()));
    values_ = std::max({values_, layer.in.count(), layer.out.count()});
    if (&layer == &layers_.back()) break;
    PackedWeights& weights = weights_.emplace_back([&file, key = layer.weight()] { return file.floats(key); });
    const ConvGeometry geometry{layer.key, layer.op, layer.in, layer.out, layer.K, layer.K, layer.S, layer.P, layer.P};
    const StripConv& conv = convs_.emplace_back(geometry, dnnl::memory::data_type::f32, weights, engine_);
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
  for (std::size_t row = 0; row < convs_.size(); ++row, std::swap(input, output)) convolve(row, input, output, context);
  connect(input, output, answer);
}

void CpuReader::convolve(std::size_t row, const float* input, float* output, Context& context) const {
  const StripConv& conv = convs_[row];
  const bool relu = ends_in_relu(layers_[row]);
  const std::size_t C = biases_[row].size(), pitch = C * std::size_t(layers_[row].out.W);
  const float* bias = biases_[row].data();
  pool_.run(conv.strips(), [&](int strip, int worker) {
    conv.run(strip, input, output, context.scratch.data() + scratch_bytes_ * std::size_t(worker), engine_);
    float* to = output + pitch * std::size_t(conv.first_row(strip));
    for (float* end = output + pitch * std::size_t(conv.end_row(strip)); to < end; to += C) {
      for (std::size_t c = 0; c < C; ++c) {
        const float v = to[c] + bias[c];
        to[c] = relu && v < 0 ? 0 : v;  // NaN stays NaN
      }
    }
  });
}

void CpuReader::connect(const float* input, float* scratch, float* answer) const {
  const LayerSpec& layer = layers_.back();
  const int cols = int(layer.in.count()), rows = layer.C_out, planes = layer.in.C, plane = int(layer.in.plane());
  for (int c = 0; c < planes; ++c) {  // channels-last to planar, as the weights are
    for (int i = 0; i < plane; ++i) scratch[c * plane + i] = input[i * planes + c];
  }
  std::ranges::copy(biases_.back(), answer);
  constexpr int kRows = 64;  // of a piece of work
  pool_.run((rows + kRows - 1) / kRows, [&](int piece, int) {
    const int first = kRows * piece;
    pointwise().matrix_vector(answer_.data() + std::size_t(first) * std::size_t(cols), scratch,
                              std::min(kRows, rows - first), cols, answer + first);
  });
}

}  // namespace emo
