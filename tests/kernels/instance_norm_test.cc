#include "kernels/instance_norm.h"

#include <gtest/gtest.h>

#include "tests/close.h"
#include "tests/kernels/conv_helpers.h"
#include "tests/simt/seeds.h"
#include "tests/throws.h"

namespace emo {
namespace {

constexpr float kEps = 1e-5f;

struct NormCase {
  ConvCase conv;
  bool x_as_operand = false, affine = true, relu = false, add = false, merged = false;
};

/// What is added, of the operand's type.
std::vector<float> residual_of(const NormCase& c) {
  return from_operands(c.conv.math, to_operands(c.conv.math, normal_values(c.conv.shape.out().count(), 13)));
}

// Convolves, normalises, and returns what came out; `x` receives what the normalisation read.
std::vector<float> run(const NormCase& c, std::vector<float>* x = nullptr) {
  const ConvShape& s = c.conv.shape;
  const std::size_t count = s.out().count();
  const Buffer<std::byte> in(to_operands(c.conv.math, c.conv.x));
  const Buffer<std::byte> weights(pack_conv_weights(c.conv.math, s, c.conv.weight, c.conv.C_out, c.conv.C_in));
  const Buffer<std::byte> raw(count * (c.x_as_operand ? operand_bytes(c.conv.math) : 4));
  const Buffer<Moments> moments(std::size_t(s.N) * s.strips() * s.C_out);
  const Buffer<float> bias(c.conv.bias);
  conv2d(c.conv.math, s, {2, 1}, in, weights, raw, c.x_as_operand, {c.conv.bias.empty() ? nullptr : bias.get(), 0, moments},
         {}, nullptr);
  if (x) *x = from_operands(c.x_as_operand ? c.conv.math : MathType::kFP32, raw.host());

  const Buffer<float> gamma(normal_values(s.C_out, 11)), beta(normal_values(s.C_out, 12));
  const Buffer<std::byte> residual(to_operands(c.conv.math, residual_of(c)));
  const Buffer<NormCoefficients> coefficients(std::size_t(s.N) * s.C_out);
  const Buffer<std::byte> y(count * operand_bytes(c.conv.math));
  const float *scale = c.affine ? gamma.get() : nullptr, *shift = c.affine ? beta.get() : nullptr;
  const void* added = c.add ? residual.get() : nullptr;
  if (c.merged) {
    merged_instance_norm(c.conv.math, s, raw, c.x_as_operand, moments, scale, kEps, shift, c.relu, added, y, nullptr);
  } else {
    merge_moments(s, moments, scale, kEps, coefficients, nullptr);
    instance_norm(c.conv.math, s.out(), raw, c.x_as_operand, coefficients, shift, c.relu, added, y, nullptr);
  }
  return from_operands(c.conv.math, y.host());
}

struct Plain {
  std::vector<float> y;
  double gain = 0;  // the largest |x| / deviation: what an error of the mean relative to x becomes in y
};

// The definition, in double, of the values that were read.
Plain plain_norm(const NormCase& c, const std::vector<float>& x) {
  const Shape s = c.conv.shape.out();
  const std::vector<float> gamma = normal_values(s.C, 11), beta = normal_values(s.C, 12), residual = residual_of(c);
  Plain plain{std::vector<float>(s.count())};
  for (int n = 0; n < s.N; ++n) {
    for (int k = 0; k < s.C; ++k) {
      const auto at = [&](std::size_t p) { return (n * s.plane() + p) * s.C + k; };
      double mean = 0, var = 0;
      for (std::size_t p = 0; p < s.plane(); ++p) mean += x[at(p)] / double(s.plane());
      for (std::size_t p = 0; p < s.plane(); ++p) var += (x[at(p)] - mean) * (x[at(p)] - mean) / double(s.plane());
      for (std::size_t p = 0; p < s.plane(); ++p) {
        plain.gain = std::max(plain.gain, std::abs(x[at(p)]) / std::sqrt(var + kEps));
        double v = (x[at(p)] - mean) / std::sqrt(var + kEps) * (c.affine ? gamma[k] : 1) + (c.affine ? beta[k] : 0);
        if (c.relu) v = std::max(v, 0.);
        plain.y[at(p)] = float(v + (c.add ? residual[at(p)] : 0));
      }
    }
  }
  return plain;
}

// Distance of an operand near v from its neighbour, at most.
double spacing(MathType math) { return math == MathType::kF16 ? 0x1p-10 : math == MathType::kBF16 ? 0x1p-7 : 0; }

class InstanceNorm : public testing::TestWithParam<MathType> {};
INSTANTIATE_TEST_SUITE_P(Math, InstanceNorm,
                         testing::Values(MathType::kF16, MathType::kBF16, MathType::kTF32, MathType::kFP32),
                         [](const auto& info) { return name_of(info.param); });

TEST_P(InstanceNorm, OddSizesMatchTheDefinition) {
  for (const ConvShape& shape : {ConvShape{2, 1, 2, 1, 1, 1, 1, 1, 0, 0},
                                 {1, 33, 7, 3, 19, 3, 3, 1, 1, 1},
                                 {2, 33, 33, 3, 33, 1, 1, 1, 0, 0},
                                 {1, 9, 9, 3, 3, 4, 4, 2, 1, 1, true},
                                 {1, 3, 1, 3, 1040, 1, 1, 1, 0, 0}}) {
    for (int options = 0; options < 4; ++options) {
      NormCase c{ConvCase(GetParam(), shape)};
      c.relu = options & 1;
      c.affine = options != 3;
      c.add = options & 2;
      SCOPED_TRACE(concat(c.conv.shape.out(), " options ", options));
      std::vector<float> x;
      const std::vector<float> got = run(c, &x);
      const auto [want, gain] = plain_norm(c, x);
      // Mean and scale are each off by the rounding of 16 + 4 + 9 additions; gamma is under 4; the rest rounds values
      // under 8.
      const double tol = 4 * 2 * (16 + 4 + 9) * FLT_EPSILON / 2 * gain + 8 * FLT_EPSILON;
      double largest = 0;
      for (const float v : want) largest = std::max(largest, double(std::abs(v)));
      expect_close(got, want, tol + largest * spacing(c.conv.math) / 2);
    }
  }
}

// Coefficients are those of the sums before they were rounded, so a value may be off by its rounding times the scale.
TEST_P(InstanceNorm, ReadsOperandsToo) {
  NormCase c{ConvCase(GetParam(), {1, 9, 7, 19, 24, 3, 3, 1, 1, 1})};
  std::vector<float> x;
  const std::vector<float> want = run(c, &x);
  double largest = 0, largest_y = 0;
  for (const float v : x) largest = std::max(largest, double(std::abs(v)));
  for (const float v : want) largest_y = std::max(largest_y, double(std::abs(v)));
  c.x_as_operand = true;
  const double deviation = std::sqrt(19 * 9 * 0.4);  // at the picture's corners four of nine taps are left
  expect_close(run(c), want, spacing(c.conv.math) * (largest / deviation * 4 + largest_y));
}

TEST_P(InstanceNorm, ConstantPlaneGivesBeta) {
  NormCase c{ConvCase(GetParam(), {2, 33, 7, 3, 8, 3, 3, 1, 1, 1})};
  c.conv.add_bias();
  std::fill(c.conv.weight.begin(), c.conv.weight.end(), 0.f);
  const std::vector<float> y = run(c), beta = normal_values(8, 12);
  // Added up 16 at a time and divided, a constant comes back with an error of some eps; 1/sqrt(eps) magnifies it.
  const double tol = 4 * 16 * FLT_EPSILON / std::sqrt(kEps) * 4 + spacing(c.conv.math) * 4;
  for (std::size_t i = 0; i < y.size(); ++i) ASSERT_NEAR(y[i], beta[i % 8], tol);
}

TEST_P(InstanceNorm, SameBytesAtAnyBatchAndOrderOfThreads) {
  const NormCase batch{ConvCase(GetParam(), {3, 33, 7, 3, 19, 3, 3, 1, 1, 1})};
  const std::vector<float> all = run(batch);
  for_each_seed([&] {
    for (int n = 0; n < 3; ++n) {
      NormCase one{ConvCase(GetParam(), {1, 33, 7, 3, 19, 3, 3, 1, 1, 1})};
      std::copy_n(&batch.conv.x[n * one.conv.x.size()], one.conv.x.size(), one.conv.x.begin());
      const std::vector<float> y = run(one);
      EXPECT_EQ(std::memcmp(y.data(), &all[n * y.size()], y.size() * sizeof(float)), 0) << n;
    }
  });
}

TEST_P(InstanceNorm, SameBytesInOneLaunch) {
  for (const ConvShape& shape : {ConvShape{2, 32, 31, 3, 19, 1, 1, 1, 0, 0},  // 16 strips, the last one short
                                 {1, 3, 1, 3, 1040, 1, 1, 1, 0, 0},           // more channels than a block
                                 {1, 9, 9, 3, 3, 4, 4, 2, 1, 1, true}}) {     // strips of parities
    for (const bool plain : {true, false}) {
      NormCase c{ConvCase(GetParam(), shape)};
      c.affine = plain, c.relu = plain, c.add = !plain;
      const std::vector<float> want = run(c);
      c.merged = true;
      EXPECT_EQ(run(c), want) << c.conv.shape.out();
    }
  }
}

TEST_P(InstanceNorm, NanSurvivesTheRelu) {
  NormCase c{ConvCase(GetParam(), {1, 7, 7, 1, 8, 1, 1, 1, 0, 0})};
  c.relu = true;
  c.conv.x[8] = NAN;
  for (const float v : run(c)) EXPECT_TRUE(std::isnan(v));
}

TEST(InstanceNormErrors, EachNamesWhatCameAndWhatIsNeeded) {
  EXPECT_EQ(text_of(ErrorKind::kInternal,
                    [] {
                      merge_moments({1, 1, 1, 8, 8, 1, 1}, nullptr, nullptr, kEps, nullptr, nullptr);
                    }),
            "instance_norm: a plane of (1,8,1,1) has one value and no variance");
  EXPECT_EQ(
      text_of(
          ErrorKind::kInternal,
          [] {
            instance_norm(MathType::kF16, {1, 19, 2, 2}, nullptr, false, nullptr, nullptr, false, nullptr, nullptr, nullptr);
          }),
      "instance_norm: 19 channels; a multiple of 8 is needed");
  EXPECT_EQ(text_of(ErrorKind::kInternal,
                    [] {
                      merged_instance_norm(MathType::kF16, {1, 33, 32, 8, 8, 1, 1}, nullptr, false, nullptr, nullptr, kEps,
                                           nullptr, false, nullptr, nullptr, nullptr);
                    }),
            "instance_norm: moments of 17 strips; it merges at most 16 itself, see merge_moments()");
}

TEST(InstanceNormErrors, EmptyBatchIsNoLaunch) {
  EXPECT_NO_THROW(merge_moments({0, 2, 2, 8, 8, 1, 1}, nullptr, nullptr, kEps, nullptr, nullptr));
  EXPECT_NO_THROW(
      instance_norm(MathType::kF16, {0, 8, 2, 2}, nullptr, false, nullptr, nullptr, false, nullptr, nullptr, nullptr));
}

}  // namespace
}  // namespace emo
