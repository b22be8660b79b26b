#include <cublas_v2.h>
#include <cufft.h>

#include <cmath>
#include <numbers>

#include "planted.h"

namespace emo {
namespace {

TEST(Libraries, SgemmIsColumnMajor) {
  constexpr int m = 3, n = 5, k = 7;
  std::vector<float> a(k * m), b(k * n);
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = float(i % 5);
  for (std::size_t i = 0; i < b.size(); ++i) b[i] = float(i % 3);
  const Buffer<float> da(a), db(b), dc(std::vector<float>(m * n, 1));
  cublasHandle_t handle;
  ASSERT_EQ(cublasCreate(&handle), CUBLAS_STATUS_SUCCESS);
  const float alpha = 2, beta = 3;
  ASSERT_EQ(cublasSgemm(handle, CUBLAS_OP_T, CUBLAS_OP_N, m, n, k, &alpha, da, k, db, k, &beta, dc, m),
            CUBLAS_STATUS_SUCCESS);
  const auto got = dc.host();
  for (int i = 0; i < m; ++i) {
    for (int j = 0; j < n; ++j) {
      float want = 3;
      for (int l = 0; l < k; ++l) want += 2 * a[std::size_t(i * k + l)] * b[std::size_t(j * k + l)];
      EXPECT_EQ(got[std::size_t(j * m + i)], want);
    }
  }
  cublasDestroy(handle);
}

TEST(Libraries, RealTransformsInABatch) {
  constexpr int n = 12, batch = 3;
  std::vector<float> in(n * batch);
  for (std::size_t i = 0; i < in.size(); ++i) in[i] = float(i * i % 7);
  const Buffer<float> from(in);
  const Buffer<float2> to(batch * (n / 2 + 1));
  cufftHandle plan;
  int size[] = {n};
  ASSERT_EQ(cufftPlanMany(&plan, 1, size, nullptr, 1, n, nullptr, 1, n / 2 + 1, CUFFT_R2C, batch), CUFFT_SUCCESS);
  ASSERT_EQ(cufftExecR2C(plan, from, to), CUFFT_SUCCESS);
  const auto got = to.host();
  for (int b = 0; b < batch; ++b) {
    for (int f = 0; f <= n / 2; ++f) {
      double re = 0, im = 0;
      for (int i = 0; i < n; ++i) {
        re += in[std::size_t(b * n + i)] * std::cos(-2 * std::numbers::pi * f * i / n);
        im += in[std::size_t(b * n + i)] * std::sin(-2 * std::numbers::pi * f * i / n);
      }
      EXPECT_NEAR(got[std::size_t(b * (n / 2 + 1) + f)].x, re, 1e-4);
      EXPECT_NEAR(got[std::size_t(b * (n / 2 + 1) + f)].y, im, 1e-4);
    }
  }
  cufftDestroy(plan);
}

}  // namespace
}  // namespace emo
