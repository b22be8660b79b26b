// The pieces of the generator that multiply: convolutions in strips and by Winograd, the AU planes as a bias, the head as
// one.
#include <algorithm>
#include <cfloat>
#include <cmath>

#include "base/tensor.h"
#include "engine/backend/cpu/au_bias.h"
#include "engine/backend/cpu/head.h"
#include "engine/backend/cpu/strip_conv.h"
#include "engine/backend/cpu/winograd.h"
#include "tests/close.h"
#include "tests/random_generator.h"
#include "tests/reference/generator.h"

namespace emo {
namespace {

reference::Values doubles(const std::vector<float>& v) { return {v.begin(), v.end()}; }
std::vector<float> floats(const reference::Values& v) { return {v.begin(), v.end()}; }

std::vector<float> channels_last(const std::vector<float>& x, Shape s) {
  std::vector<float> y(x.size());
  for (std::size_t i = 0; i < s.plane(); ++i) {
    for (int c = 0; c < s.C; ++c) y[i * s.C + c] = x[c * s.plane() + i];
  }
  return y;
}

/// The whole convolution, strip by strip, from and to channels-last.
std::vector<float> run(const ConvGeometry& g, const std::vector<float>& weight, const std::vector<float>& x) {
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  PackedWeights packed([&] { return weight; });
  const StripConv conv(g, dnnl::memory::data_type::f32, packed, engine);
  const HostBuffer<std::byte> scratch(conv.scratch_bytes());
  std::vector<float> y(g.out.count(), NAN);
  for (int i = conv.strips() - 1; i >= 0; --i) conv.run(i, x.data(), y.data(), scratch.data(), engine);
  return y;
}

/// A sum of n products of size up to 1, in fp32 and any order.
double tolerance(int n) { return 2 * std::sqrt(double(n)) * FLT_EPSILON * std::sqrt(double(n)); }

TEST(StripConv, ConvolutionEqualsItsDefinition) {
  struct Case {
    int C_in, C_out, K, S, P;
  };
  for (const Case& c : {Case{3, 8, 7, 1, 3}, Case{5, 7, 4, 2, 1}, Case{16, 16, 3, 1, 1}, Case{1, 19, 1, 1, 0}}) {
    for (const auto& [H, W] : {std::pair{8, 8}, {7, 11}, {33, 5}, {66, 34}, {131, 4}}) {
      const Shape in{1, c.C_in, H, W}, out{1, c.C_out, (H + 2 * c.P - c.K) / c.S + 1, (W + 2 * c.P - c.K) / c.S + 1};
      const auto x = random_values(in.count(), 1), w = random_values(std::size_t(c.C_out) * c.C_in * c.K * c.K, 2);
      const auto want = floats(reference::conv2d(doubles(x), in, doubles(w), c.C_out, c.K, c.S, c.P));
      const auto got = run({"layer", Op::kConv, in, out, c.K, c.K, c.S, c.P, c.P}, w, channels_last(x, in));
      expect_close(got, channels_last(want, out), tolerance(c.C_in * c.K * c.K));
    }
  }
}

TEST(StripConv, DeconvolutionEqualsItsDefinition) {
  for (const auto& [C_in, C_out] : {std::pair{32, 16}, {5, 3}, {1, 8}}) {
    for (const auto& [H, W] : {std::pair{2, 2}, {7, 3}, {16, 16}, {33, 5}, {70, 2}}) {
      const Shape in{1, C_in, H, W}, out{1, C_out, 2 * H, 2 * W};
      const auto x = random_values(in.count(), 1), w = random_values(std::size_t(C_out) * C_in * 16, 2);
      const auto want = floats(reference::deconv2d(doubles(x), in, doubles(w), C_out, 4, 2, 1));
      const auto got = run({"layer", Op::kDeconv, in, out, 4, 4, 2, 1, 1}, w, channels_last(x, in));
      expect_close(got, channels_last(want, out), tolerance(C_in * 4));
    }
  }
}

TEST(StripConv, StripsCoverTheRowsInOrder) {
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  for (const int H : {2, 7, 32, 33, 100}) {
    for (const Op op : {Op::kConv, Op::kDeconv}) {
      const Shape in{1, 2, H, 4}, out = op == Op::kConv ? in : Shape{1, 2, 2 * H, 8};
      PackedWeights packed([&] { return std::vector<float>(op == Op::kConv ? 36 : 64); });
      const StripConv conv(op == Op::kConv ? ConvGeometry{"layer", op, in, out, 3, 3, 1, 1, 1}
                                           : ConvGeometry{"layer", op, in, out, 4, 4, 2, 1, 1},
                           dnnl::memory::data_type::f32, packed, engine);
      EXPECT_LE(conv.strips(), 32);
      int row = 0;
      for (int i = 0; i < conv.strips(); ++i) {
        EXPECT_EQ(conv.first_row(i), row);
        row = conv.end_row(i);
      }
      EXPECT_EQ(row, out.H);
    }
  }
}

/// The whole layer by Winograd, from and to channels-last; checks that each row is said to be finished once.
std::vector<float> run_winograd(const ConvGeometry& g, const std::vector<float>& weight, const std::vector<float>& x) {
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  WinogradWeights weights([&] { return weight; });
  const WinogradConv conv(g, weights, engine);
  const HostBuffer<float> in_points(conv.in_points()), out_points(conv.out_points());
  const HostBuffer<std::byte> scratch(conv.scratch_bytes());
  std::vector<float> y(g.out.count(), NAN);
  std::vector<int> finished(std::size_t(g.out.H));
  for (int phase = 0; phase < conv.phases(); ++phase) {
    for (int row = 0; row < conv.tile_rows(); ++row) conv.to_points(phase, row, x.data(), in_points.data());
    for (int k = 0; k < conv.products(); ++k) {
      conv.multiply(phase, k, in_points.data(), out_points.data(), scratch.data(), engine);
    }
    for (int row = 0; row < conv.tile_rows(); ++row) {
      conv.to_rows(phase, row, out_points.data(), y.data());
      const auto rows = conv.finished(phase, row);
      for (int r = rows.first; r < rows.end; r += rows.step) {
        ++finished.at(std::size_t(r));
        const float* from = y.data() + std::size_t(r) * g.out.W * g.out.C;
        EXPECT_TRUE(std::none_of(from, from + g.out.W * g.out.C, [](float v) { return std::isnan(v); }));
      }
    }
  }
  EXPECT_EQ(finished, std::vector<int>(finished.size(), 1));
  return y;
}

// The roundings of a sum grow by so much in the tile's worst corner: the root of the mean over inputs and weights of equal
// spread, sum_k A_ik^2 |B_k|^2 |G_k|^2 / taps, along either side for the points of winograd.h.
constexpr double kGrowth3 = 8.18, kGrowth2 = 11.40;

TEST(WinogradConv, ConvolutionEqualsItsDefinition) {
  for (const auto& [C_in, C_out] : {std::pair{16, 16}, {16, 48}, {64, 32}}) {
    for (const auto& [H, W] : {std::pair{1, 1}, {2, 3}, {4, 4}, {8, 8}, {7, 13}, {33, 5}, {16, 32}}) {
      const Shape in{1, C_in, H, W};
      const auto x = random_values(in.count(), 1), w = random_values(std::size_t(C_out) * C_in * 16, 2);
      const auto expect_equal = [&](int K, int S, double growth) {
        if (H + 2 < K || W + 2 < K) return;
        const Shape out{1, C_out, (H + 2 - K) / S + 1, (W + 2 - K) / S + 1};
        const std::vector<float> kernel(w.begin(), w.begin() + C_out * C_in * K * K);
        const auto want = floats(reference::conv2d(doubles(x), in, doubles(kernel), C_out, K, S, 1));
        const auto got = run_winograd({"layer", Op::kConv, in, out, K, K, S, 1, 1}, kernel, channels_last(x, in));
        expect_close(got, channels_last(want, out), growth * tolerance(C_in * K * K));
      };
      expect_equal(3, 1, kGrowth3);
      expect_equal(4, 2, kGrowth2);
    }
  }
}

TEST(WinogradConv, DeconvolutionEqualsItsDefinition) {
  for (const auto& [C_in, C_out] : {std::pair{16, 16}, {16, 48}, {64, 32}}) {
    for (const auto& [H, W] : {std::pair{1, 1}, {2, 3}, {4, 4}, {7, 13}, {33, 5}, {16, 16}}) {
      const Shape in{1, C_in, H, W}, out{1, C_out, 2 * H, 2 * W};
      const auto x = random_values(in.count(), 1), w = random_values(std::size_t(C_out) * C_in * 16, 2);
      const auto want = floats(reference::deconv2d(doubles(x), in, doubles(w), C_out, 4, 2, 1));
      const auto got = run_winograd({"layer", Op::kDeconv, in, out, 4, 4, 2, 1, 1}, w, channels_last(x, in));
      expect_close(got, channels_last(want, out), kGrowth2 * tolerance(C_in * 4));
    }
  }
}

TEST(WinogradConv, TakesAllButTheFirstAndTheLastLayers) {
  for (const LayerSpec& layer : generator_layers(GeneratorConfig{})) {
    const ConvGeometry g{layer.key, layer.op, layer.in, layer.out, layer.K, layer.K, layer.S, layer.P, layer.P};
    EXPECT_EQ(WinogradConv::takes(g), layer.K != 7) << layer.key;
  }
  const Shape narrow{1, 24, 8, 8};  // channels go by sixteen
  EXPECT_FALSE(WinogradConv::takes({"layer", Op::kConv, narrow, narrow, 3, 3, 1, 1, 1}));
}

TEST(AuBias, EqualsTheConvolutionOfConstantPlanes) {
  GeneratorConfig config;
  config.conv_dim = 7;
  for (const int side : {8, 12, 20}) {
    const LayerSpec layer = generator_layers(config, side)[0];
    const auto weight = random_values(std::size_t(7) * 20 * 49, 3), au = random_values(17, 4, 0, 1);
    reference::Values planes(3 * layer.in.plane(), 0.);  // a black picture: what is left is the AUs' share
    for (const float a : au) planes.insert(planes.end(), layer.in.plane(), a * 5.);
    const auto want = floats(reference::conv2d(planes, layer.in, doubles(weight), 7, 7, 1, 3));

    const AuBias bias(weight, layer, 5.);
    std::vector<float> folded(bias.size()), got(layer.out.count(), 0.f);
    bias.fold(au.data(), folded.data());
    for (int y = 0; y < side; ++y) bias.add(folded.data(), y, side, side, got.data() + std::size_t(y) * side * 7);
    expect_close(got, channels_last(want, layer.out), 5 * tolerance(17 * 49));
  }
}

class Head : public testing::TestWithParam<bool> {};

TEST_P(Head, EqualsTwoConvolutionsAndTheBlend) {
  const int C = 5;
  for (const int side : {4, 8, 20, 37}) {
    const Shape in{1, C, side, side};
    const std::size_t plane = in.plane();
    const LayerSpec layer{"img_reg.0", Op::kConv, C, 3, 7, 1, 3, Norm::kNone, Act::kTanh, false, in, {1, 3, side, side}, ""};
    auto x = random_values(in.count(), 1), face = random_values(3 * plane, 2);
    const auto wc = random_values(std::size_t(3) * C * 49, 3, -0.1f, 0.1f), wm = random_values(C * 49, 4, -0.1f, 0.1f);
    const auto c = reference::conv2d(doubles(x), in, doubles(wc), 3, 7, 1, 3);
    const auto m = reference::conv2d(doubles(x), in, doubles(wm), 1, 7, 1, 3);

    const auto sums = run(head_geometry(layer), head_weights(wc, wm, C, 7), channels_last(x, in));
    std::vector<float> out(3 * plane), mask(plane), colour(3 * plane);
    const HeadPicture picture{side, face.data(), out.data(), mask.data(), colour.data(), GetParam()};
    for (int y = 0; y < side; ++y) {
      EXPECT_TRUE(head_row(sums.data() + std::size_t(y) * side * head_geometry(layer).out.C, 7, y, picture));
    }
    std::vector<float> want_out, want_mask, want_colour;
    for (std::size_t i = 0; i < 3 * plane; ++i) {
      const double k = 1 / (1 + std::exp(-m[i % plane])), t = std::tanh(c[i]);
      if (i < plane) want_mask.push_back(float(k));
      want_colour.push_back(float(t));
      want_out.push_back(float(GetParam() ? k * face[i] + (1 - k) * t : (1 - k) * face[i] + k * t));
    }
    expect_close(mask, want_mask, tolerance(C * 49));
    expect_close(colour, want_colour, tolerance(C * 49));
    expect_close(out, want_out, 2 * tolerance(C * 49));
  }
}
INSTANTIATE_TEST_SUITE_P(MaskKeepsImage, Head, testing::Bool());

TEST(HeadRow, AnInfinityBehindTanhIsCaught) {
  std::vector<float> sums(8 * 4 * 4, 0.f), face(48, 0.f), out(48);
  const HeadPicture picture{4, face.data(), out.data(), nullptr, nullptr, true};
  EXPECT_TRUE(head_row(sums.data(), 7, 0, picture));
  sums[3 * 4] = INFINITY;  // centre tap of the first pixel's first colour
  EXPECT_FALSE(head_row(sums.data(), 7, 0, picture));
  sums[3 * 4] = 0, face[1] = NAN;
  EXPECT_FALSE(head_row(sums.data(), 7, 0, picture));
}

}  // namespace
}  // namespace emo
