#include "kernels/heads.h"

#include <gtest/gtest.h>

#include "tests/close.h"
#include "tests/kernels/conv_helpers.h"
#include "tests/simt/seeds.h"
#include "tests/throws.h"

namespace emo {
namespace {

struct HeadCase {
  MathType math;
  int N, C, H, W, K;
  bool mask_keeps_image = true;
  std::vector<float> x, colour, mask, face;  // x (N,C,H,W); weights of a size that lets tanh and sigmoid move

  HeadCase(MathType math, int N, int C, int H, int W, int K)
      : math(math), N(N), C(C), H(H), W(W), K(K), face(normal_values(std::size_t(N) * 3 * H * W, 3)) {
    const auto values = [&](std::size_t count, unsigned seed, double scale) {
      std::vector<float> v = normal_values(count, seed);
      for (float& value : v) value = rounded(math, float(value * scale));
      return v;
    };
    const double scale = 1 / std::sqrt(double(C) * K * K);
    x = values(std::size_t(N) * C * H * W, 1, 1);
    colour = values(std::size_t(3) * C * K * K, 4, scale);
    mask = values(std::size_t(C) * K * K, 5, scale);
  }
};

struct Heads {
  std::vector<float> out, mask, colour;
  std::vector<std::uint8_t> rgb;
  std::vector<unsigned> not_finite;
};

Heads run(const HeadCase& c) {
  const ConvShape s = head_conv(c.N, c.C, c.H, c.W, c.K);
  std::vector<float> nhwc(s.in().count());
  for (std::size_t i = 0; i < c.x.size(); ++i) {
    const std::size_t HW = c.H * c.W, p = i % HW, k = i / HW % c.C, n = i / HW / c.C;
    nhwc[(n * HW + p) * s.C_in + k] = c.x[i];
  }
  const Buffer<std::byte> x(to_operands(c.math, nhwc));
  const Buffer<std::byte> weights(pack_conv_weights(c.math, s, head_conv_weights(c.colour, c.mask, c.C, c.K), 4 * c.K, c.C));
  const std::size_t plane = std::size_t(c.N) * c.H * c.W;
  const Buffer<float> sums(s.out().count()), face(c.face), out(3 * plane), mask(plane), colour(3 * plane);
  const Buffer<std::uint8_t> rgb(3 * plane);
  const Buffer<unsigned> not_finite(std::vector<unsigned>(c.N, 0));
  conv2d(c.math, s, conv2d_plan(c.math, s, 132), x, weights, sums, false, {}, {}, nullptr);
  heads(sums, c.N, c.H, c.W, c.K, {face, out, mask, colour, rgb, not_finite, c.mask_keeps_image}, nullptr);
  return {out.host(), mask.host(), colour.host(), rgb.host(), not_finite.host()};
}

struct Plain {
  std::vector<float> out, mask, colour;
};

Plain plain_heads(const HeadCase& c) {
  Plain p;
  const int HW = c.H * c.W, P = c.K / 2;
  for (int n = 0; n < c.N; ++n) {
    std::vector<double> v(4 * HW, 0.);
    for (int i = 0; i < 4 * HW; ++i) {
      const int o = i / HW, y = i % HW / c.W, x = i % c.W;
      for (int t = 0; t < c.C * c.K * c.K; ++t) {
        const int k = t / c.K / c.K, iy = y + t / c.K % c.K - P, ix = x + t % c.K - P;
        if (iy < 0 || ix < 0 || iy >= c.H || ix >= c.W) continue;
        const float w = o < 3 ? c.colour[o * c.C * c.K * c.K + t] : c.mask[t];
        v[i] += double(w) * c.x[(std::size_t(n) * c.C + k) * HW + iy * c.W + ix];
      }
    }
    for (int i = 0; i < 3 * HW; ++i) {
      const double mask = 1 / (1 + std::exp(-v[3 * HW + i % HW])), keep = c.mask_keeps_image ? mask : 1 - mask;
      p.colour.push_back(float(std::tanh(v[i])));
      p.out.push_back(float(keep * c.face[n * 3 * HW + i] + (1 - keep) * std::tanh(v[i])));
      if (i < HW) p.mask.push_back(float(mask));
    }
  }
  return p;
}

class HeadsOf : public testing::TestWithParam<MathType> {};
INSTANTIATE_TEST_SUITE_P(Math, HeadsOf, testing::Values(MathType::kF16, MathType::kBF16, MathType::kTF32, MathType::kFP32),
                         [](const auto& info) { return name_of(info.param); });

TEST_P(HeadsOf, OddSizesMatchBothConvolutionsAndTheBlend) {
  for (HeadCase c : {HeadCase(GetParam(), 1, 1, 1, 1, 7), HeadCase(GetParam(), 2, 19, 7, 33, 7),
                     HeadCase(GetParam(), 1, 3, 33, 7, 3), HeadCase(GetParam(), 1, 64, 9, 19, 7)}) {
    for (const bool keeps : {true, false}) {
      c.mask_keeps_image = keeps;
      SCOPED_TRACE(concat(c.C, " channels, ", c.H, "x", c.W));
      const Heads got = run(c);
      const Plain want = plain_heads(c);
      // Products are scaled to a sum of variance 1; the slopes of tanh, sigmoid and of the blend by the face stay under 4.
      const double tol = 4 * (sum_tolerance(c.C * c.K * c.K) / std::sqrt(double(c.C) * c.K * c.K) + 4 * FLT_EPSILON);
      expect_close(got.mask, want.mask, tol);
      expect_close(got.colour, want.colour, tol);
      expect_close(got.out, want.out, tol);
      const std::size_t HW = c.H * c.W;
      for (std::size_t i = 0; i < got.out.size(); ++i) {
        const std::size_t n = i / (3 * HW), o = i / HW % 3, p = i % HW;
        const double byte = std::clamp((got.out[i] + 1.) * 127.5, 0., 255.);
        ASSERT_NEAR(got.rgb[(n * HW + p) * 3 + o], byte, 0.5 + 255 * FLT_EPSILON);
      }
      EXPECT_EQ(got.not_finite, std::vector<unsigned>(c.N, 0));
    }
  }
}

TEST_P(HeadsOf, InfinityFlagsItsImageOnly) {
  HeadCase c(GetParam(), 3, 3, 7, 7, 7);
  c.x[c.x.size() / 2] = INFINITY;
  for_each_seed([&] { EXPECT_EQ(run(c).not_finite, (std::vector<unsigned>{0, 1, 0})); });
  c = HeadCase(GetParam(), 2, 3, 7, 7, 7);
  c.face.back() = NAN;
  EXPECT_EQ(run(c).not_finite, (std::vector<unsigned>{0, 1}));
}

TEST(Heads, OutMayBeTheFaceAndTheRestBeLeftOut) {
  const HeadCase c(MathType::kFP32, 1, 3, 7, 7, 7);
  const Buffer<float> sums(normal_values(49 * 32)), face(c.face), apart(c.face.size());
  const Buffer<unsigned> not_finite(std::vector<unsigned>(1, 0));
  heads(sums, 1, 7, 7, 7, {face, apart, nullptr, nullptr, nullptr, not_finite, true}, nullptr);
  heads(sums, 1, 7, 7, 7, {face, face, nullptr, nullptr, nullptr, not_finite, true}, nullptr);
  EXPECT_EQ(face.host(), apart.host());
}

TEST(Heads, ErrorsNameWhatCameAndWhatIsNeeded) {
  EXPECT_EQ(text_of(ErrorKind::kInternal, [] { heads(nullptr, 1, 7, 7, 4, {}, nullptr); }),
            "heads: a kernel of 4x4 has no middle; an odd one is needed");
  EXPECT_EQ(text_of(ErrorKind::kInternal, [] { head_conv_weights({}, {}, 3, 7); }),
            "heads: 0 weights for colour and 0 for the mask; (3,3,7,7) and (1,3,7,7) are needed");
  EXPECT_NO_THROW(heads(nullptr, 0, 7, 7, 7, {}, nullptr));
}

}  // namespace
}  // namespace emo
