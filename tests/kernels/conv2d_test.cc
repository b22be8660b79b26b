#include "kernels/conv2d.h"

#include <gtest/gtest.h>

#include "tests/close.h"
#include "tests/kernels/conv_helpers.h"
#include "tests/simt/seeds.h"
#include "tests/throws.h"

namespace emo {
namespace {

constexpr MathType kAllMath[] = {MathType::kF16, MathType::kBF16, MathType::kTF32, MathType::kFP32};

// Channels 1, 3, 19; sides 1, 7, 33; every kernel and stride of the network, and both heads' 7x1.
const ConvShape kOddShapes[] = {
    {1, 1, 1, 1, 1, 1, 1, 1, 0, 0},     {2, 7, 7, 3, 19, 3, 3, 1, 1, 1},  {1, 1, 1, 19, 3, 3, 3, 1, 1, 1},
    {1, 33, 7, 1, 3, 4, 4, 2, 1, 1},    {1, 7, 33, 19, 1, 7, 7, 1, 3, 3}, {3, 7, 7, 64, 70, 4, 4, 2, 1, 1},
    {1, 33, 33, 19, 28, 7, 1, 1, 3, 0}, {1, 9, 7, 21, 64, 7, 1, 1, 3, 0},
};

class Conv2d : public testing::TestWithParam<MathType> {};
INSTANTIATE_TEST_SUITE_P(Math, Conv2d, testing::ValuesIn(kAllMath), [](const auto& info) { return name_of(info.param); });

TEST_P(Conv2d, OddSizesMatchPlainLoops) {
  for (const ConvShape& shape : kOddShapes) {
    ConvCase c(GetParam(), shape);
    c.add_bias();
    SCOPED_TRACE(concat(c.shape.in(), " to ", c.shape.out()));
    expect_close(run(c, conv2d_plan(c.math, c.shape, 132)).y, plain_conv(c), sum_tolerance(c.terms()));
  }
}

TEST_P(Conv2d, TransposedMatchesPlainLoops) {
  for (const ConvShape& shape : {ConvShape{1, 1, 1, 3, 1, 4, 4, 2, 1, 1, true},
                                 {2, 7, 5, 19, 3, 4, 4, 2, 1, 1, true},
                                 {1, 9, 9, 64, 70, 4, 4, 2, 1, 1, true}}) {
    ConvCase c(GetParam(), shape);
    c.add_bias();
    SCOPED_TRACE(concat(c.shape.in(), " to ", c.shape.out()));
    expect_close(run(c, conv2d_plan(c.math, c.shape, 132)).y, plain_conv(c), sum_tolerance(c.terms()));
  }
}

// K = 1728 is three chunks, so there are two ways to split and one not to.
TEST_P(Conv2d, SameBytesUnderEveryPlanAndOrderOfThreads) {
  ConvCase c(GetParam(), {2, 9, 9, 192, 70, 3, 3, 1, 1, 1});
  c.add_bias();
  const ConvResult want = run(c, {0, 1});
  expect_close(want.y, plain_conv(c), sum_tolerance(c.terms()));
  for (int tile = 0; tile < kConvTileCount; ++tile) {
    for (int splits = 1; splits <= 3; ++splits) {
      simt::set_seed(tile + splits);
      EXPECT_TRUE(run(c, {tile, splits}) == want) << "tile " << tile << ", splits " << splits;
    }
  }
  simt::set_seed(0);
}

TEST_P(Conv2d, SameBytesAtAnyBatchAndPosition) {
  for (const ConvShape& shape : {ConvShape{3, 9, 7, 19, 33, 4, 4, 2, 1, 1}, {3, 5, 7, 40, 24, 4, 4, 2, 1, 1, true}}) {
    const ConvCase batch(GetParam(), shape);
    const ConvResult all = run(batch, {1, 1});
    for (int n = 0; n < 3; ++n) {
      ConvShape one = shape;
      one.N = 1;
      ConvCase single(GetParam(), one);
      std::copy_n(&batch.x[n * single.x.size()], single.x.size(), single.x.begin());
      const ConvResult got = run(single, {2, 1});
      const auto slice = [n](const auto& v, std::size_t count) {
        return std::decay_t<decltype(v)>(v.begin() + n * count, v.begin() + (n + 1) * count);
      };
      EXPECT_TRUE(got == (ConvResult{slice(all.y, got.y.size()), slice(all.moments, got.moments.size())})) << n;
    }
  }
}

TEST_P(Conv2d, OperandOutputIsTheRoundedSum) {
  ConvCase c(GetParam(), {1, 7, 7, 19, 24, 3, 3, 1, 1, 1});
  const std::vector<float> sums = run(c, {2, 1}).y, y = run(c, {2, 1}, true).y;
  for (std::size_t i = 0; i < y.size(); ++i) {
    ASSERT_EQ(y[i], c.math == MathType::kTF32 ? sums[i] : rounded(c.math, sums[i])) << i;
  }
}

// Against the values that the kernel itself has stored: what is left is the rounding of 64 additions and of the square.
TEST_P(Conv2d, MomentsAreThoseOfTheStoredStrips) {
  for (const ConvShape& shape : {ConvShape{2, 9, 15, 19, 33, 3, 3, 1, 1, 1},
                                 {1, 1, 1, 3, 8, 1, 1, 1, 0, 0},
                                 {1, 9, 8, 24, 40, 4, 4, 2, 1, 1, true}}) {
    ConvCase c(GetParam(), shape);
    c.add_bias();
    for (float& b : c.bias) b *= 1000;  // a mean that dwarfs the deviation: E[x^2] - mean^2 would have no digit left
    const ConvResult got = run(c, {2, 1});
    const ConvShape& s = c.shape;
    const int scale = s.transposed ? 2 : 1, columns = s.W_out() / scale, strips = s.strips() / s.parities();
    for (std::size_t i = 0; i < got.moments.size(); ++i) {
      const int k = i % s.C_out, strip = i / s.C_out % strips, plane = i / s.C_out / strips;
      const int n = plane / s.parities(), parity = plane % s.parities();
      std::vector<double> x;
      for (int p = strip * kMomentStrip; p < std::min((strip + 1) * kMomentStrip, s.pixels()); ++p) {
        const int oy = p / columns * scale + parity / 2, ox = p % columns * scale + parity % 2;
        x.push_back(got.y[((std::size_t(n) * s.H_out() + oy) * s.W_out() + ox) * s.C_out + k]);
      }
      double mean = 0, m2 = 0, largest = 0;
      for (const double v : x) mean += v / x.size(), largest = std::max(largest, std::abs(v));
      for (const double v : x) m2 += (v - mean) * (v - mean);
      const double mean_tol = 16 * FLT_EPSILON * largest;  // 16 additions in a row, then a tree
      ASSERT_NEAR(got.moments[i].mean, mean, mean_tol);
      // Deviations from a mean that is off by d: n d^2 more, and each is rounded as it is subtracted and squared.
      ASSERT_NEAR(got.moments[i].m2, m2,
                  x.size() * mean_tol * mean_tol + 2 * mean_tol * std::sqrt(x.size() * m2) + 32 * FLT_EPSILON * m2);
    }
  }
}

TEST_P(Conv2d, BorderBiasGoesByClassAndImage) {
  for (const int side : {6, 7, 33}) {
    ConvCase c(GetParam(), {2, side, 9, 3, 19, 7, 7, 1, 3, 3});
    c.add_bias(3);
    expect_close(run(c, {2, 1}).y, plain_conv(c), sum_tolerance(c.terms()));
  }
}

TEST_P(Conv2d, InfinityReachesItsPixelsOnly) {
  ConvCase c(GetParam(), {1, 5, 5, 3, 8, 3, 3, 1, 1, 1});
  c.x[0] = INFINITY;
  const std::vector<float> y = run(c, {2, 1}).y;
  for (int p = 0; p < 25; ++p) EXPECT_EQ(std::isfinite(y[p * 8]), p % 5 > 1 || p / 5 > 1) << p;
}

TEST(Conv2dPlan, SmallBatchesSplitAndLargeOnesDoNot) {
  ConvShape s{1, 32, 32, 256, 256, 3, 3, 1, 1, 1};
  const ConvPlan one = conv2d_plan(MathType::kF16, s, 132);
  EXPECT_EQ(kConvTiles[one.tile].BM, 64);
  EXPECT_EQ(one.splits, 3);
  EXPECT_EQ(conv2d_workspace(MathType::kF16, s, one).floats, 3u * 1024 * 256);
  EXPECT_EQ(conv2d_workspace(MathType::kF16, s, one).counters, 64u);
  s.N = 64;
  const ConvPlan many = conv2d_plan(MathType::kF16, s, 132);
  EXPECT_EQ(kConvTiles[many.tile].BN, 128);
  EXPECT_EQ(conv2d_workspace(MathType::kF16, s, many).floats, 0u);
}

TEST(Conv2dPlan, TilesFitTheirWarpsAndTheSharedMemoryOfEveryArchitecture) {
  for (const ConvTile& t : kConvTiles) {
    EXPECT_EQ(t.BM % kMomentStrip, 0);
    EXPECT_EQ(t.warp_rows() % 16, 0);
    EXPECT_EQ(t.warp_columns() % 16, 0);
    EXPECT_LE(t.stages * (t.BM + t.BN) * 128, 99 << 10);  // 8.6, 8.9 and 12.0 give a block 99 KiB
  }
}

std::string refused(const ConvShape& s, const ConvPlan& plan = {2, 1}, const ConvEpilogue& epilogue = {}) {
  return text_of(ErrorKind::kInternal,
                 [&] { conv2d(MathType::kF16, s, plan, nullptr, nullptr, nullptr, false, epilogue, {}, nullptr); });
}

TEST(Conv2dErrors, EachNamesWhatCameAndWhatIsNeeded) {
  const ConvShape good{1, 8, 8, 8, 8, 3, 3, 1, 1, 1};
  EXPECT_EQ(refused({1, 8, 8, 3, 8, 3, 3, 1, 1, 1}),
            "conv2d: 3 channels in and 8 out; multiples of 8 are needed, see padded_channels()");
  EXPECT_EQ(refused({1, 8, 8, 8, 8, 3, 3, 2, 1, 1, true}),
            "conv2d: a transposed convolution of 3x3, stride 2, padding 1,1; only 4x4, stride 2, padding 1 is there");
  EXPECT_EQ(refused({1, 0, 8, 8, 8, 4, 4, 2, 1, 1, true}), "conv2d: a picture of 0x8 has no pixels");
  EXPECT_EQ(refused({1, 2, 8, 8, 8, 7, 7, 1, 1, 1}), "conv2d: 7x7 taps do not fit into 2x8 pixels padded by 1,1");
  EXPECT_EQ(refused({1, 32768, 16384, 8, 8, 3, 3, 1, 1, 1}),
            "conv2d: (1,8,32768,16384) to (1,8,32768,16384); an image of less than 2^31 values is needed");
  EXPECT_EQ(refused(good, {4, 1}), "conv2d: there is no tile 4; there are 4");
  EXPECT_EQ(refused(good, {0, 2}), "conv2d: 2 splits of 1 chunks");
  EXPECT_EQ(refused({1, 8, 8, 256, 8, 3, 3, 1, 1, 1}, {2, 3}), "conv2d: 3 splits need a workspace, see conv2d_workspace()");
  EXPECT_EQ(refused(good, {2, 1}, {nullptr, 3, nullptr}),
            "conv2d: border classes of 3 pixels need a bias and an output of at least 6x6, not 8x8");
}

TEST(Conv2dErrors, WeightsOfAnotherShapeAreRefused) {
  const ConvShape s{1, 8, 8, 8, 8, 3, 3, 1, 1, 1};
  EXPECT_EQ(text_of(ErrorKind::kInternal, [&] { pack_conv_weights(MathType::kF16, s, {}, 8, 9); }),
            "conv2d: weights of 9 channels in and 8 out do not fit a convolution of 8 and 8");
  EXPECT_EQ(text_of(ErrorKind::kInternal, [&] { pack_conv_weights(MathType::kF16, s, {}, 3, 3); }),
            "conv2d: 0 weights; (3,3,3,3) needs 81");
}

TEST(Conv2dErrors, EmptyBatchIsNoLaunch) { EXPECT_EQ(refused({0, 8, 8, 8, 8, 3, 3, 1, 1, 1}), "(no error)"); }

}  // namespace
}  // namespace emo
