#include "engine/backend/cuda/libraries.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "tests/close.h"
#include "tests/random_generator.h"
#include "tests/simt/buffer.h"
#include "tests/throws.h"

namespace emo {
namespace {

TEST(CudaLibraries, ProductIsRowTimesRow) {
  const Stream stream;
  const Blas blas(stream.get());
  constexpr int rows = 5, inputs = 7, outputs = 3;
  const auto x = random_values(rows * inputs, 1, -1, 1), weight = random_values(outputs * inputs, 2, -1, 1);
  const Buffer<float> dx(x), dw(weight), dy(rows * outputs);
  blas.multiply(dx, dw, dy, rows, outputs, inputs);
  std::vector<float> want(rows * outputs);
  for (int i = 0; i < rows * outputs; ++i) {
    for (int k = 0; k < inputs; ++k) want[i] += x[i / outputs * inputs + k] * weight[i % outputs * inputs + k];
  }
  expect_close(dy.host(), want, 1e-6);
}

TEST(CudaLibraries, TransformsLieOneAfterAnother) {
  const Stream stream;
  constexpr int n = 6, batch = 2, bins = n / 2 + 1;
  const Fft fft(n, batch, stream.get());
  const auto in = random_values(batch * n, 1, -1, 1);
  const Buffer<float> from(in);
  const Buffer<float2> to(batch * bins);
  fft(from, to);
  const auto got = to.host();
  for (int i = 0; i < batch * bins; ++i) {
    double re = 0, im = 0;
    for (int k = 0; k < n; ++k) {
      re += in[i / bins * n + k] * std::cos(2 * std::numbers::pi * (i % bins) * k / n);
      im -= in[i / bins * n + k] * std::sin(2 * std::numbers::pi * (i % bins) * k / n);
    }
    EXPECT_NEAR(got[i].x, re, 1e-5);
    EXPECT_NEAR(got[i].y, im, 1e-5);
  }
}

TEST(CudaLibraries, ErrorsNameTheCallAndItsSizes) {
  const Stream stream;
  const Blas blas(stream.get());
  EXPECT_EQ(text_of(ErrorKind::kDevice, [&] { blas.multiply(nullptr, nullptr, nullptr, 1, 3, 0); }),
            "cuda: cublasSgemm (1,0) x (0,3): CUBLAS_STATUS_INVALID_VALUE");
  EXPECT_THAT(text_of(ErrorKind::kDevice, [&] { Fft(0, 3, stream.get()); }),
              testing::StartsWith("cuda: cufftPlanMany of 3 transforms of 0 samples: cuFFT error "));
}

}  // namespace
}  // namespace emo
