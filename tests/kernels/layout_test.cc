#include "kernels/layout.h"

#include <gtest/gtest.h>

#include <random>

#include "base/dtype.h"
#include "tests/simt/buffer.h"
#include "tests/simt/seeds.h"
#include "tests/throws.h"

namespace emo {
namespace {

std::vector<float> random_values(std::size_t count) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& v : values) v = normal(random);
  return values;
}

template <typename T>
void expect_transposed(Shape s, int C_out) {
  SCOPED_TRACE(concat(s, " to ", C_out));
  const std::vector<float> x = random_values(s.count());
  const Buffer<float> in(x);
  for_each_seed([&] {
    const Buffer<T> out(s.N * s.plane() * C_out);
    nchw_to_nhwc<T>(in, out, s, C_out, nullptr);
    const std::vector<T> y = out.host();
    std::size_t wrong = 0;
    for (int n = 0; n < s.N; ++n) {
      for (std::size_t p = 0; p < s.plane(); ++p) {
        for (int c = 0; c < C_out; ++c) {
          const float want = c < s.C ? x[(std::size_t(n) * s.C + c) * s.plane() + p] : 0.f;
          wrong += float(y[(n * s.plane() + p) * C_out + c]) != float(T(want));
        }
      }
    }
    EXPECT_EQ(wrong, 0u);
  });
}

TEST(NchwToNhwc, OddSizesInEveryType) {
  for (const Shape s : {Shape{1, 1, 1, 1}, Shape{2, 3, 7, 7}, Shape{1, 19, 1, 33}, Shape{3, 33, 5, 7}}) {
    for (const int C_out : {s.C, 8 * ((s.C + 7) / 8), 40}) {
      expect_transposed<float>(s, C_out);
      expect_transposed<__half>(s, C_out);
      expect_transposed<__nv_bfloat16>(s, C_out);
    }
  }
}

TEST(NchwToNhwc, EmptyBatchIsNoLaunch) { EXPECT_NO_THROW(nchw_to_nhwc<float>(nullptr, nullptr, {0, 3, 7, 7}, 3, nullptr)); }

TEST(NchwToNhwc, TooFewChannelsAreRefused) {
  EXPECT_EQ(text_of(ErrorKind::kInternal,
                    [] {
                      nchw_to_nhwc<float>(nullptr, nullptr, {1, 19, 7, 7}, 16, nullptr);
                    }),
            "nchw_to_nhwc: 19 channels do not fit into 16");
}

}  // namespace
}  // namespace emo
