#include "weights/layers.h"

#include <utility>

#include "base/error.h"
#include "base/limits.h"

namespace emo {
namespace {

int side_after(Op op, int side, int K, int S, int P) {
  return op == Op::kConv ? (side + 2 * P - K) / S + 1 : (side - 1) * S - 2 * P + K;
}

}  // namespace

std::vector<std::int64_t> LayerSpec::weight_shape() const {
  if (op == Op::kDeconv) return {C_in, C_out, K, K};
  return {C_out, C_in, K, K};
}

std::int64_t LayerSpec::macs() const {
  // A convolution has K*K taps for each output pixel; a transposed one spreads each input pixel over K*K outputs.
  const Shape& s = op == Op::kConv ? out : in;
  return std::int64_t(s.plane()) * C_in * C_out * K * K;
}

std::vector<LayerSpec> generator_layers(const GeneratorConfig& config, int side) {
  if (side == 0) side = config.image_size;
  if (side % 4 != 0 || side < limits::kMinGeneratorSide || side > limits::kMaxGeneratorSide) {
    fail(ErrorKind::kModel, "generator: cannot take a picture with a side of ", side, " px; a multiple of 4 from ",
         limits::kMinGeneratorSide, " to ", limits::kMaxGeneratorSide, " is needed");
  }
  std::vector<LayerSpec> layers;
  const auto add = [&](std::string key, std::string norm_key, Op op, int C_in, int C_out, int K, int S, int P, Act act,
                       bool adds_block_input = false) {
    const Shape in{1, C_in, side, side};
    side = side_after(op, side, K, S, P);
    layers.push_back({std::move(key), op, C_in, C_out, K, S, P, norm_key.empty() ? Norm::kNone : Norm::kInstance, act,
                      adds_block_input, in, Shape{1, C_out, side, side}, std::move(norm_key)});
  };
  // torch.nn.Sequential counts convolution, normalisation and activation: three to a step, one to a residual block.
  const auto main = [](int index) { return "main." + std::to_string(index); };
  const int D = config.conv_dim, n = config.res_blocks, C = 3 + int(config.au_names.size());
  // clang-format off
  //  key               norm             op           C_in   C_out  K  S  P  activation
  add(main(0),          main(1),         Op::kConv,   C,     D,     7, 1, 3, Act::kRelu);
  add(main(3),          main(4),         Op::kConv,   D,     2 * D, 4, 2, 1, Act::kRelu);
  add(main(6),          main(7),         Op::kConv,   2 * D, 4 * D, 4, 2, 1, Act::kRelu);
  for (int i = 9; i < 9 + n; ++i) {
    add(main(i) + ".main.0", main(i) + ".main.1", Op::kConv, 4 * D, 4 * D, 3, 1, 1, Act::kRelu);
    add(main(i) + ".main.3", main(i) + ".main.4", Op::kConv, 4 * D, 4 * D, 3, 1, 1, Act::kNone, true);
  }
  add(main(9 + n),      main(10 + n),    Op::kDeconv, 4 * D, 2 * D, 4, 2, 1, Act::kRelu);
  add(main(12 + n),     main(13 + n),    Op::kDeconv, 2 * D, D,     4, 2, 1, Act::kRelu);
  add("img_reg.0",      "",              Op::kConv,   D,     3,     7, 1, 3, Act::kTanh);     // colour
  add("attetion_reg.0", "",              Op::kConv,   D,     1,     7, 1, 3, Act::kSigmoid);  // mask; spelt so by its authors
  // clang-format on
  return layers;
}

std::vector<LayerSpec> reader_layers(const ReaderConfig& config) {
  std::vector<LayerSpec> layers;
  Shape in{1, 3, config.image_size, config.image_size};
  const auto add = [&](std::string key, int C_out, int K, int S, int P, Act act) {
    const int side = side_after(Op::kConv, in.H, K, S, P);
    const Shape out{1, C_out, side, side};
    layers.push_back({std::move(key), Op::kConv, in.C, C_out, K, S, P, Norm::kNone, act, false, in, out, "", true});
    in = out;
  };
  // torch.nn.Sequential counts convolution, batch norm (folded into the convolution since) and ReLU.
  for (std::size_t i = 0; i < config.channels.size(); ++i) {
    add("main." + std::to_string(3 * i), config.channels[i], 3, config.strides[i], 1, Act::kRelu);
  }
  add("answer", 2 * kFacePoints + 1 + int(config.au_names.size()), in.H, 1, 0, Act::kNone);
  return layers;
}

bool feeds_block(const std::vector<LayerSpec>& layers, std::size_t i) {
  return i + 2 < layers.size() && layers[i + 2].adds_block_input;
}

bool ends_in_relu(const LayerSpec& row) {
  EMO_CHECK(row.act == Act::kRelu || row.act == Act::kNone, "layers: ", row.key,
            " ends in an activation that no backend computes after a normalisation; ReLU or none is needed");
  return row.act == Act::kRelu;
}

void check_heads(const std::vector<LayerSpec>& layers) {
  const auto check = [](const LayerSpec& row, Act act, const char* name) {
    EMO_CHECK(row.norm == Norm::kNone && row.act == act, "layers: ", row.key, " is a head; ", name, " is needed");
  };
  check(layers[layers.size() - 2], Act::kTanh, "tanh without normalisation");
  check(layers.back(), Act::kSigmoid, "a sigmoid without normalisation");
}

std::vector<TensorSpec> generator_tensors(const GeneratorConfig& config) {
  std::vector<TensorSpec> tensors;
  for (const LayerSpec& layer : generator_layers(config)) {
    tensors.push_back({layer.weight(), layer.weight_shape()});
    if (layer.norm == Norm::kNone || !config.norm_affine) continue;
    tensors.push_back({layer.norm_key + ".weight", {layer.C_out}});
    tensors.push_back({layer.norm_key + ".bias", {layer.C_out}});
  }
  return tensors;
}

std::vector<TensorSpec> speech_tensors(const SpeechConfig& config) {
  const int hidden = config.lstm_hidden, states = hidden * (config.bidirectional ? 2 : 1);
  const int aus = int(config.au_names.size());
  std::vector<TensorSpec> tensors;
  for (int layer = 0; layer < config.lstm_layers; ++layer) {
    const int input = layer == 0 ? config.features() : states;
    for (const char* direction : {"", "_reverse"}) {
      if (*direction && !config.bidirectional) continue;
      const std::string suffix = "_l" + std::to_string(layer) + direction;
      tensors.push_back({"lstm.weight_ih" + suffix, {4 * hidden, input}});
      tensors.push_back({"lstm.weight_hh" + suffix, {4 * hidden, hidden}});
      tensors.push_back({"lstm.bias_ih" + suffix, {4 * hidden}});
      tensors.push_back({"lstm.bias_hh" + suffix, {4 * hidden}});
    }
  }
  tensors.push_back({"fc.weight", {aus, states}});
  tensors.push_back({"fc.bias", {aus}});
  return tensors;
}

std::vector<TensorSpec> reader_tensors(const ReaderConfig& config) {
  std::vector<TensorSpec> tensors;
  for (const LayerSpec& layer : reader_layers(config)) {
    tensors.push_back({layer.weight(), layer.weight_shape()});
    tensors.push_back({layer.bias(), {layer.C_out}});
  }
  tensors.push_back({"shape.mean", {kFacePoints, 2}});
  if (config.triangles > 0) {
    const auto aus = std::int64_t(config.au_names.size());
    tensors.push_back({"motion.mean", {kFacePoints, 3}});
    tensors.push_back({"motion.basis", {aus, kFacePoints, 3}});
    tensors.push_back({"motion.shade", {aus, kFaceShadeRows, kFaceShadeColumns}});
    tensors.push_back({"motion.triangles", {config.triangles, 3}});
  }
  return tensors;
}

std::vector<TensorSpec> tensors_of(const ModelConfig& config) {
  if (const auto* generator = std::get_if<GeneratorConfig>(&config)) return generator_tensors(*generator);
  if (const auto* speech = std::get_if<SpeechConfig>(&config)) return speech_tensors(*speech);
  return reader_tensors(std::get<ReaderConfig>(config));
}

double generator_flops(const GeneratorConfig& config, int side) {
  double macs = 0;
  for (const LayerSpec& layer : generator_layers(config, side)) macs += double(layer.macs());
  return 2 * macs;
}

double reader_flops(const ReaderConfig& config) {
  double macs = 0;
  for (const LayerSpec& layer : reader_layers(config)) macs += double(layer.macs());
  return 2 * macs;
}

double speech_flops(const SpeechConfig& config, double seconds) {
  double macs = 0;  // a step multiplies by each weight once
  for (const TensorSpec& tensor : speech_tensors(config)) {
    if (tensor.name.starts_with("lstm.weight")) macs += double(tensor.shape[0] * tensor.shape[1]);
  }
  return 2 * macs * seconds * config.sample_rate_hz / config.hop_length / config.frame_stride;
}

}  // namespace emo
