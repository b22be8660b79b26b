#include "engine/backend/cuda/generator_weights.h"

#include "engine/backend/cuda/generator_plan.h"
#include "kernels/first_layer.h"
#include "kernels/heads.h"

namespace emo {
namespace {

/// Bytes that are gathered on the host, to go to the device in one copy.
class Gathered {
 public:
  /// Where they will lie in the block.
  std::size_t add(std::span<const std::byte> bytes) {
    constexpr std::size_t kAlign = 256;  // as what cudaMalloc gives
    all_.resize((all_.size() + kAlign - 1) / kAlign * kAlign);
    const std::size_t at = all_.size();
    all_.insert(all_.end(), bytes.begin(), bytes.end());
    return at;
  }
  std::size_t add(const std::vector<float>& values) { return add(std::as_bytes(std::span(values))); }
  std::span<const std::byte> all() const { return all_; }

 private:
  std::vector<std::byte> all_;
};

}  // namespace

GeneratorWeights::GeneratorWeights(const ModelFile& file, MathType math) : math_(math) {
  const GeneratorConfig& config = file.generator();
  const std::vector<LayerSpec> layers = generator_layers(config);
  const int aus = int(config.au_names.size());
  struct Place {
    std::size_t weights, gamma = 0, beta = 0;
  };
  Gathered gathered;
  std::vector<Place> places;
  for (std::size_t i = 0; i + 1 < layers.size(); ++i) {
    const LayerSpec& l = layers[i];
    const bool head = l.norm == Norm::kNone;
    int C_out = l.C_out, C_in = l.C_in;
    std::vector<float> weight = file.floats(l.weight());
    if (i == 0) {
      weight = first_conv_weights(weight, l.C_out, aus, l.K);
      C_in = 3 * l.K;
    } else if (head) {
      weight = head_conv_weights(weight, file.floats(layers[i + 1].weight()), l.C_in, l.K);
      C_out = 4 * l.K;
    }
    Place& place =
        places.emplace_back(Place{gathered.add(pack_conv_weights(math, generator_conv(layers, i, 1), weight, C_out, C_in))});
    if (head || !config.norm_affine) continue;
    const auto padded = [&](const char* part) {  // zeros: channels of the padding stay 0
      std::vector<float> values = file.floats(l.norm_key + part);
      values.resize(std::size_t(padded_channels(l.C_out)));
      return gathered.add(values);
    };
    place.gamma = padded(".weight");
    place.beta = padded(".bias");
  }
  const LayerSpec& first = layers[0];
  const std::size_t au = gathered.add(au_weights(file.floats(first.weight()), first.C_out, aus, first.K, config.au_scale));

  memory_ = DeviceBuffer<std::byte>(gathered.all(), "the generator's weights");
  const auto floats = [&](std::size_t at) { return reinterpret_cast<const float*>(memory_.data() + at); };
  for (const Place& place : places) {
    const bool affine = place.gamma > 0;
    rows_.push_back(
        {memory_.data() + place.weights, affine ? floats(place.gamma) : nullptr, affine ? floats(place.beta) : nullptr});
  }
  au_ = floats(au);
}

}  // namespace emo
