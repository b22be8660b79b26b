#include "engine/backend/cpu/pointwise.h"

#include <cfloat>
#include <cmath>
#include <limits>

#include "base/dtype.h"
#include "tests/close.h"
#include "tests/random_generator.h"
#include "tests/reference/generator.h"

namespace emo {
namespace {

/// The engine's instance norm, put together as the generator does it. x channels-last (H,W,C).
std::vector<float> instance_norm(const std::vector<float>& x, Shape s, const std::vector<float>& gamma,
                                 const std::vector<float>& beta, float eps) {
  const Pointwise& pw = pointwise();
  const std::size_t C = s.C, pitch = C * s.W;
  std::vector<float> row_mean(s.H * C), row_m2(s.H * C), mean(C), scale(C), y(x.size());
  for (int h = 0; h < s.H; ++h) pw.row_moments(&x[h * pitch], s.W, s.C, &row_mean[h * C], &row_m2[h * C]);
  pw.merge_rows(row_mean.data(), row_m2.data(), s.H, s.W, s.C, mean.data(), scale.data());
  for (std::size_t c = 0; c < C; ++c) scale[c] = gamma[c] / std::sqrt(scale[c] + eps);
  for (int h = 0; h < s.H; ++h) {
    pw.normalise_row(&x[h * pitch], mean.data(), scale.data(), beta.data(), false, false, false, s.W, s.C, nullptr,
                     &y[h * pitch]);
  }
  return y;
}

std::vector<float> planar(const std::vector<float>& x, Shape s) {
  std::vector<float> y(x.size());
  for (std::size_t i = 0; i < s.plane(); ++i) {
    for (int c = 0; c < s.C; ++c) y[c * s.plane() + i] = x[i * s.C + c];
  }
  return y;
}

TEST(InstanceNorm, EqualsItsDefinitionAtOddSizes) {
  for (const Shape s :
       {Shape{1, 1, 1, 2}, Shape{1, 3, 7, 5}, Shape{1, 19, 13, 1}, Shape{1, 64, 2, 2}, Shape{1, 37, 31, 111}}) {
    for (const float offset : {0.f, 1000.f}) {
      auto x = random_values(s.count(), 1, offset - 1, offset + 1);
      const auto gamma = random_values(s.C, 2, 0.5f, 2), beta = random_values(s.C, 3);
      const auto p = planar(x, s);
      reference::Values want(p.begin(), p.end());
      reference::instance_norm(want, s, {gamma.begin(), gamma.end()}, {beta.begin(), beta.end()}, 1e-5);
      const std::vector<float> want_f(want.begin(), want.end());
      // Error of a mean of n fp32 terms, near sqrt(n) eps max|x|, times the gain; two values 1e-3 apart can have a
      // deviation of 1e-3 and a gain of 2 / sqrt(1e-6 + 1e-5).
      double max_rstd = 0;
      for (int c = 0; c < s.C; ++c) {
        double mean = 0, var = 0;
        for (std::size_t i = 0; i < s.plane(); ++i) mean += p[c * s.plane() + i] / double(s.plane());
        for (std::size_t i = 0; i < s.plane(); ++i) var += std::pow(p[c * s.plane() + i] - mean, 2) / double(s.plane());
        max_rstd = std::max(max_rstd, 1 / std::sqrt(var + 1e-5));
      }
      const double tol = 4 * std::sqrt(double(s.plane())) * FLT_EPSILON * (std::abs(offset) + 1) * 2 * max_rstd;
      expect_close(planar(instance_norm(x, s, gamma, beta, 1e-5f), s), want_f, tol);
    }
  }
}

TEST(InstanceNorm, ConstantPlaneGivesBeta) {
  const Shape s{1, 5, 9, 7};
  const std::vector<float> gamma(5, 3.f), beta{-1, 0, 0.25f, 1, 100};
  const auto y = instance_norm(std::vector<float>(s.count(), 0.3f), s, gamma, beta, 1e-5f);
  // 0.3 is not a binary fraction: its mean is off by an eps or so, which the gain of 3 / sqrt(1e-5) enlarges.
  for (std::size_t i = 0; i < y.size(); ++i) EXPECT_NEAR(y[i], beta[i % 5], 1e-4);
}

TEST(Normalise, ActivationResidualAndStream) {
  const std::vector<float> x{-2, 3, 1, -1}, mean{1, 0}, scale{2, 1}, shift{0.5f, -0.5f};
  // (x - mean) * scale + shift = -5.5, 2.5, 0.5, -1.5
  const auto run = [&](bool relu, bool add, bool keep, std::vector<float>& stream) {
    std::vector<float> y(4);
    pointwise().normalise_row(x.data(), mean.data(), scale.data(), shift.data(), relu, add, keep, 2, 2, stream.data(),
                              y.data());
    return y;
  };
  using V = std::vector<float>;
  V stream{10, 20, 30, 40};
  EXPECT_EQ(run(false, false, false, stream), (V{-5.5f, 2.5f, 0.5f, -1.5f}));
  EXPECT_EQ(run(true, false, false, stream), (V{0, 2.5f, 0.5f, 0}));
  EXPECT_EQ(run(false, true, false, stream), (V{4.5f, 22.5f, 30.5f, 38.5f}));
  EXPECT_EQ(stream, (V{10, 20, 30, 40})) << "kept only when asked to";
  EXPECT_EQ(run(false, true, true, stream), (V{4.5f, 22.5f, 30.5f, 38.5f}));
  EXPECT_EQ(stream, (V{4.5f, 22.5f, 30.5f, 38.5f}));
  EXPECT_EQ(run(true, false, true, stream), stream);
}

TEST(Normalise, ReluLetsNanPass) {
  const std::vector<float> x(19, std::numeric_limits<float>::quiet_NaN()), zero(19, 0.f), one(19, 1.f);
  std::vector<float> y(19);
  pointwise().normalise_row(x.data(), zero.data(), one.data(), zero.data(), true, false, false, 1, 19, nullptr, y.data());
  for (const float v : y) EXPECT_TRUE(std::isnan(v));
}

TEST(Normalise, Bf16IsRoundedToNearestEven) {
  auto x = random_values(997, 5, -300, 300);
  x[0] = 1.00390625f, x[1] = 1.01171875f, x[2] = -0.f, x[3] = std::numeric_limits<float>::infinity();
  x[4] = std::bit_cast<float>(0x7fffffffu), x[5] = 1e-40f;
  const std::vector<float> zero(997, 0.f), one(997, 1.f);
  std::vector<std::uint16_t> y(997);
  pointwise().normalise_row_bf16(x.data(), zero.data(), one.data(), zero.data(), false, false, false, 1, 997, nullptr,
                                 y.data());
  for (std::size_t i = 0; i < y.size(); ++i) EXPECT_EQ(y[i], float_to_bf16(x[i] + 0.f)) << x[i];
}

TEST(MatrixVector, AddsTheProductsOfEachRow) {
  for (const int cols : {1, 63, 64, 200, 1536}) {
    const int rows = 7;
    const auto weights = random_values(rows * cols, 3, -1, 1), x = random_values(cols, 4, -1, 1);
    const auto before = random_values(rows, 5, -1, 1);
    auto y = before;
    pointwise().matrix_vector(weights.data(), x.data(), rows, cols, y.data());
    for (int row = 0; row < rows; ++row) {
      double sum = before[row], size = std::abs(sum);
      for (int i = 0; i < cols; ++i) {
        const double product = double(weights[row * cols + i]) * x[i];
        sum += product, size += std::abs(product);
      }
      // A value goes through cols / 64 + 8 roundings at most, each within 2^-24 of what is summed.
      EXPECT_NEAR(y[row], sum, (cols / 64 + 8) * 0x1p-24 * size) << cols << " columns, row " << row;
    }
  }
}

}  // namespace
}  // namespace emo
