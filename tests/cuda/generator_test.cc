// The generator on a GPU against the CPU backend, which tests/cpu holds to its definition and to PyTorch.
#include "engine/cuda/generator.h"

#include <gmock/gmock.h>

#include <cfloat>
#include <cmath>
#include <map>

#include "tests/close.h"
#include "tests/cpu/narrow_generator.h"

namespace emo {
namespace {

constexpr Precision kPrecisions[] = {Precision::kFp32, Precision::kTf32, Precision::kBf16, Precision::kFp16};

/// Half a unit in the last place of an operand, relative.
double rounding(Precision precision) {
  switch (precision) {
    case Precision::kBf16: return 1. / 256;
    case Precision::kTf32:
    case Precision::kFp16: return 1. / 2048;
    default: return FLT_EPSILON / 2;
  }
}

double rms(std::span<const float> values) {
  double sq = 0;
  for (const float v : values) sq += double(v) * v;
  return std::sqrt(sq / double(values.size()));
}

double rms_difference(std::span<const float> a, std::span<const float> b) {
  std::vector<float> difference(a.begin(), a.end());
  for (std::size_t i = 0; i < a.size(); ++i) difference[i] -= b[i];
  return rms(difference);
}

struct Layers {
  std::vector<std::string> names;
  std::map<std::string, std::vector<float>> values;
};

template <typename Generator>
Layers layers_of(const Generator& generator, int side, int aus) {
  Layers layers;
  const LayerSink sink = [&](const std::string& name, TensorView<const float> view) {
    layers.names.push_back(name);
    layers.values[name].assign(view.span().begin(), view.span().end());
  };
  Batch batch(1, side, 7, aus);
  GenerateCall call = batch.call();
  call.mask.data = call.colour.data = nullptr;
  call.sink = &sink;
  generator.generate(call);
  return layers;
}

TEST(CudaGenerator, EveryLayerIsThatOfTheCpu) {
  for (GeneratorConfig config : {narrow(), narrow(5, 1, 20), narrow(7, 1, 8), narrow(16, 3, 36)}) {
    for (const bool plain : {true, false}) {
      if (!plain) {
        config.norm_affine = false, config.mask_keeps_image = false, config.au_scale = 5, config.norm_eps = 0.01;
        config.au_names = {"AU01", "AU12"}, config.channel_order = "bgr", config.pixel_min = 0;
      }
      const Model model(config);
      const int aus = int(config.au_names.size());
      const auto want = layers_of(*model.open(), config.image_size, aus);
      for (const Precision precision : kPrecisions) {
        SCOPED_TRACE(concat(name_of(precision), ", ", config.conv_dim, " filters, plain ", plain));
        const auto got = layers_of(CudaGenerator(*model.file, precision), config.image_size, aus);
        EXPECT_EQ(got.names, want.names);
        double rows = 0;
        for (const auto& name : want.names) {
          // A row rounds operands, weights and sums, each by an error of some rounding/sqrt(3): together `rounding` a row,
          // adding up as noise does. 2 covers what a ReLU takes of the signal. fp32 sums K terms in another order.
          const double terms = precision == Precision::kFp32 ? 16 : 2;
          rows += 1;
          EXPECT_LE(rms_difference(got.values.at(name), want.values.at(name)),
                    terms * std::sqrt(rows) * rounding(precision) * rms(want.values.at(name)))
              << name;
        }
      }
    }
  }
}

}  // namespace
}  // namespace emo
