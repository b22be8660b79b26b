#include "kernels/first_layer.h"

#include <gtest/gtest.h>

#include "tests/close.h"
#include "tests/kernels/conv_helpers.h"
#include "tests/simt/seeds.h"
#include "tests/throws.h"

namespace emo {
namespace {

// y (N,H,W,C_out) of the whole layer: unfolded rows, a bias by border class, one convolution.
std::vector<float> first_layer(MathType math, const std::vector<float>& picture, const std::vector<float>& au,
                               const std::vector<float>& weight, Shape s, int C_out, int K) {
  const ConvShape conv = first_conv(s.N, C_out, s.H, s.W, K);
  const int aus = int(au.size()) / s.N;
  const Buffer<float> x(picture), aus_in(au), by_tap(au_weights(weight, C_out, aus, K, 0.5));
  const Buffer<float> bias(std::size_t(s.N) * K * K * conv.C_out), y(conv.out().count());
  const Buffer<std::byte> rows(conv.in().count() * operand_bytes(math));
  const Buffer<std::byte> weights(pack_conv_weights(math, conv, first_conv_weights(weight, C_out, aus, K), C_out, 3 * K));
  unfold_rows(math, x, rows, s.N, s.H, s.W, K, nullptr);
  fold_aus(aus_in, by_tap, bias, s.N, aus, K, conv.C_out, nullptr);
  conv2d(math, conv, {2, 1}, rows, weights, y, false, {bias, K / 2, nullptr}, {}, nullptr);
  return y.host();
}

class FirstLayer : public testing::TestWithParam<MathType> {};
INSTANTIATE_TEST_SUITE_P(Math, FirstLayer,
                         testing::Values(MathType::kF16, MathType::kBF16, MathType::kTF32, MathType::kFP32),
                         [](const auto& info) { return name_of(info.param); });

// Against the layer as it is defined: the AUs as planes beside the colours, every tap multiplied.
TEST_P(FirstLayer, EqualsTheConvolutionOverAuPlanes) {
  for (const auto& [side, aus, C_out, K] : {std::array{6, 17, 19, 7}, {7, 1, 3, 7}, {33, 17, 64, 7}, {7, 3, 8, 3}}) {
    const Shape s{2, 3, side, side + 1};
    const MathType math = GetParam();
    std::vector<float> picture = normal_values(s.count(), 1), au = normal_values(2 * aus, 2);
    std::vector<float> weight = normal_values(std::size_t(C_out) * (3 + aus) * K * K, 3);
    for (float& v : picture) v = rounded(math, v);
    for (float& v : weight) v = rounded(math, v);
    const int padded = padded_channels(C_out), P = K / 2;
    std::vector<float> want(s.N * s.plane() * padded, 0.f);
    for (std::size_t i = 0; i < want.size(); ++i) {
      const int n = i / padded / s.plane(), y = i / padded / s.W % s.H, x = i / padded % s.W, k = i % padded;
      double sum = 0;
      for (int t = 0; t < (3 + aus) * K * K && k < C_out; ++t) {
        const int c = t / K / K, iy = y + t / K % K - P, ix = x + t % K - P;
        if (iy < 0 || ix < 0 || iy >= s.H || ix >= s.W) continue;
        const double value = c < 3 ? picture[((n * 3 + c) * s.H + iy) * s.W + ix] : 0.5 * au[n * aus + c - 3];
        sum += value * weight[std::size_t(k) * (3 + aus) * K * K + t];
      }
      want[i] = float(sum);
    }
    SCOPED_TRACE(concat(s, " to ", C_out));
    for_each_seed(
        [&] { expect_close(first_layer(math, picture, au, weight, s, C_out, K), want, sum_tolerance((3 + aus) * K * K)); });
  }
}

TEST(FirstLayerErrors, EachNamesWhatCameAndWhatIsNeeded) {
  const auto text = [](auto&& action) { return text_of(ErrorKind::kInternal, action); };
  EXPECT_EQ(text([] { unfold_rows(MathType::kF16, nullptr, nullptr, 1, 7, 7, 4, nullptr); }),
            "first layer: a kernel of 4x4 has no middle; an odd one is needed");
  EXPECT_EQ(text([] { fold_aus(nullptr, nullptr, nullptr, 1, 17, 2, 8, nullptr); }),
            "first layer: a kernel of 2x2 has no middle; an odd one is needed");
  EXPECT_EQ(text([] { first_conv_weights({}, 64, 17, 7); }), "first layer: 0 weights; (64,20,7,7) needs 62720");
  EXPECT_EQ(text([] { au_weights({}, 64, 17, 7, 1); }), "first layer: 0 weights; (64,20,7,7) needs 62720");
  EXPECT_NO_THROW(unfold_rows(MathType::kF16, nullptr, nullptr, 0, 7, 7, 7, nullptr));
  EXPECT_NO_THROW(fold_aus(nullptr, nullptr, nullptr, 0, 17, 7, 8, nullptr));
}

}  // namespace
}  // namespace emo
