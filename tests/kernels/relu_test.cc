#include "kernels/relu.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/simt/buffer.h"
#include "tests/throws.h"

namespace emo {
namespace {

TEST(Relu, CutsBelowZeroAndKeepsNaNAndInfinity) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  for (const std::size_t count : {4u, 1028u}) {  // less than a block, and one quad more than one
    std::vector<float> values(count);
    for (std::size_t i = 0; i < count; ++i) values[i] = float(int(i) % 7 - 3);
    values[0] = nan, values[1] = -infinity, values[2] = infinity;
    const Buffer<float> x(values);
    relu(x, count, nullptr);
    const auto got = x.host();
    EXPECT_TRUE(std::isnan(got[0]));
    for (std::size_t i = 1; i < count; ++i) ASSERT_EQ(got[i], std::max(values[i], 0.f)) << i;
  }
}

TEST(Relu, NothingIsNoLaunchAndAnOddCountIsRefused) {
  relu(nullptr, 0, nullptr);
  EXPECT_EQ(text_of(ErrorKind::kInternal, [] { relu(nullptr, 6, nullptr); }), "relu: 6 values; a multiple of 4 is needed");
}

}  // namespace
}  // namespace emo
