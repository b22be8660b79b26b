#include <gtest/gtest.h>

#include "tests/close.h"
#include "tests/kernels/conv_helpers.h"
#include "tests/simt/seeds.h"
#include "tests/throws.h"

namespace emo {
namespace {

ConvPlan wgmma(int tile) { return {tile, 1, true}; }

class Conv2dWgmma : public testing::TestWithParam<MathType> {};
INSTANTIATE_TEST_SUITE_P(Math, Conv2dWgmma, testing::Values(MathType::kF16, MathType::kBF16),
                         [](const auto& info) { return name_of(info.param); });

// The kernels, strides and paddings of the network, at heights that no box divides and channels that no tile does; a strip
// in a row, of a row, of two rows and of many; more than one chunk of K.
const ConvShape kShapes[] = {
    {1, 1, 1, 64, 1, 1, 1, 1, 0, 0},        {2, 7, 32, 64, 19, 3, 3, 1, 1, 1},       {1, 33, 16, 128, 70, 3, 3, 1, 1, 1},
    {1, 6, 64, 64, 130, 4, 4, 2, 1, 1},     {3, 14, 16, 64, 64, 4, 4, 2, 1, 1},      {1, 3, 128, 64, 28, 7, 1, 1, 3, 0},
    {2, 5, 8, 64, 40, 4, 4, 2, 1, 1, true}, {1, 7, 64, 64, 19, 4, 4, 2, 1, 1, true},
};

TEST_P(Conv2dWgmma, MatchesPlainLoops) {
  for (const ConvShape& shape : kShapes) {
    ConvCase c(GetParam(), shape);
    c.add_bias();
    SCOPED_TRACE(concat(c.shape.in(), " to ", c.shape.out()));
    const ConvPlan plan = conv2d_plan(c.math, c.shape, 132, true);
    ASSERT_TRUE(plan.wgmma);
    expect_close(run(c, plan).y, plain_conv(c), sum_tolerance(c.terms()));
  }
}

// simt adds products in the order of K under both instructions, so here they agree to the byte: chunks, bias, moments of
// partial strips and all.
TEST_P(Conv2dWgmma, SameBytesAsMma) {
  for (const ConvShape& shape : kShapes) {
    ConvCase c(GetParam(), shape);
    c.add_bias();
    SCOPED_TRACE(concat(c.shape.in(), " to ", c.shape.out()));
    EXPECT_TRUE(run(c, conv2d_plan(c.math, c.shape, 132, true)) == run(c, {1, 1}));
  }
}

// 4 x 64 pixels make a pair of blocks for the cluster, K = 1728 three chunks, and stages are used again and again.
TEST_P(Conv2dWgmma, SameBytesUnderEveryTileAndOrderOfThreads) {
  ConvCase c(GetParam(), {2, 8, 32, 192, 136, 3, 3, 1, 1, 1});
  c.add_bias();
  const ConvResult want = run(c, {0, 1});
  for (int tile = 0; tile < kWgmmaTileCount; ++tile) {
    simt::set_seed(tile);
    EXPECT_TRUE(run(c, wgmma(tile)) == want) << "tile " << tile;
  }
  for_each_seed([&] { EXPECT_TRUE(run(c, wgmma(0)) == want); });
}

TEST_P(Conv2dWgmma, SameBytesAtAnyBatchAndPosition) {
  for (const ConvShape& shape : {ConvShape{3, 14, 16, 64, 72, 4, 4, 2, 1, 1}, {3, 16, 16, 64, 24, 4, 4, 2, 1, 1, true}}) {
    const ConvCase batch(GetParam(), shape);
    const ConvResult all = run(batch, wgmma(1));
    for (int n = 0; n < 3; ++n) {
      ConvShape one = shape;
      one.N = 1;
      ConvCase single(GetParam(), one);
      std::copy_n(&batch.x[n * single.x.size()], single.x.size(), single.x.begin());
      const ConvResult got = run(single, wgmma(shape.transposed ? 0 : 2));
      const auto slice = [n](const auto& v, std::size_t count) {
        return std::decay_t<decltype(v)>(v.begin() + n * count, v.begin() + (n + 1) * count);
      };
      EXPECT_TRUE(got == (ConvResult{slice(all.y, got.y.size()), slice(all.moments, got.moments.size())})) << n;
    }
  }
}

TEST_P(Conv2dWgmma, OperandOutputIsTheRoundedSum) {
  for (int tile = 1; tile < kWgmmaTileCount; ++tile) {  // 4, 2 and 1 channels a thread
    const ConvCase c(GetParam(), {1, 5, 16, 64, 40, 3, 3, 1, 1, 1});
    const std::vector<float> sums = run(c, wgmma(tile)).y, y = run(c, wgmma(tile), true).y;
    for (std::size_t i = 0; i < y.size(); ++i) ASSERT_EQ(y[i], rounded(c.math, sums[i])) << i;
  }
}

TEST_P(Conv2dWgmma, BorderBiasGoesByClassAndImage) {
  ConvCase c(GetParam(), {2, 7, 8, 64, 19, 7, 7, 1, 3, 3});
  c.add_bias(3);
  expect_close(run(c, wgmma(2)).y, plain_conv(c), sum_tolerance(c.terms()));
}

TEST_P(Conv2dWgmma, InfinityReachesItsPixelsOnly) {
  ConvCase c(GetParam(), {2, 4, 4, 64, 8, 3, 3, 1, 1, 1});
  c.x[15 * 64] = INFINITY;  // the last pixel of the first image: the box of the second begins after it
  const std::vector<float> y = run(c, wgmma(3)).y;
  for (int p = 0; p < 32; ++p) EXPECT_EQ(std::isfinite(y[p * 8]), p >= 16 || p % 4 < 2 || p / 4 < 2) << p;
}

const ConvShape kResBlock{8, 32, 32, 256, 256, 3, 3, 1, 1, 1};

TEST(Conv2dWgmmaPlan, TheCallerAloneChoosesTheInstruction) {
  for (const int N : {1, 8, 64}) {
    ConvShape s = kResBlock;
    s.N = N;
    EXPECT_FALSE(conv2d_plan(MathType::kF16, s, 132).wgmma);
    EXPECT_TRUE(conv2d_plan(MathType::kF16, s, 132, true).wgmma);
    EXPECT_FALSE(conv2d_plan(MathType::kTF32, s, 132, true).wgmma);
    s.C_in = 24;  // the first layer's
    EXPECT_FALSE(conv2d_plan(MathType::kF16, s, 132, true).wgmma);
  }
}

TEST(Conv2dWgmmaPlan, LargeBatchesTakeClustersOfLargeTiles) {
  EXPECT_EQ(kWgmmaTiles[conv2d_plan(MathType::kF16, kResBlock, 132, true).tile].cluster, 2);
  ConvShape s = kResBlock;
  s.H = 4;  // one tile a plane
  s.N = 64;
  EXPECT_EQ(conv2d_plan(MathType::kF16, s, 132, true).tile, 1);
  s.N = 1;
  EXPECT_EQ(kWgmmaTiles[conv2d_plan(MathType::kF16, s, 132, true).tile].BN, 64);
  s.C_out = 32;
  EXPECT_EQ(kWgmmaTiles[conv2d_plan(MathType::kF16, s, 132, true).tile].BN, 32);
}

TEST(Conv2dWgmmaPlan, TilesFitTheirBlocksIntoAMultiprocessor) {
  for (const WgmmaTile& t : kWgmmaTiles) {
    EXPECT_LE(t.blocks * (t.stages * t.stage_bytes() + 16 * t.BN * 4 + 2048), 228 << 10);  // 1 KiB of it the system's
    EXPECT_GE(t.stages * t.stage_bytes(), t.BM * (t.BN + 8) * 4);                          // the sums' place
    EXPECT_EQ(t.BN / t.cluster % 8, 0);                                                    // swizzles repeat after 8 rows
  }
}

std::string refused(MathType math, const ConvShape& s, const ConvPlan& plan) {
  return text_of(ErrorKind::kInternal, [&] { conv2d(math, s, plan, nullptr, nullptr, nullptr, false, {}, {}, nullptr); });
}

TEST(Conv2dWgmmaErrors, EachNamesWhatCameAndWhatIsNeeded) {
  const auto cannot = [](const std::string& what) {
    return "conv2d: wgmma cannot take " + what +
           "; fp16 or bf16, channels in by 64, a stride of 1 or 2 that divides the picture, and rows of a multiple or a "
           "divisor of 64 pixels are needed";
  };
  EXPECT_EQ(refused(MathType::kTF32, kResBlock, wgmma(0)), cannot("tf32 of (8,256,32,32) to (8,256,32,32)"));
  EXPECT_EQ(refused(MathType::kF16, {1, 8, 8, 24, 8, 3, 3, 1, 1, 1}, wgmma(0)), cannot("fp16 of (1,24,8,8) to (1,8,8,8)"));
  EXPECT_EQ(refused(MathType::kF16, {1, 9, 8, 64, 8, 4, 4, 2, 1, 1}, wgmma(0)), cannot("fp16 of (1,64,9,8) to (1,8,4,4)"));
  EXPECT_EQ(refused(MathType::kF16, {1, 8, 7, 64, 8, 3, 3, 1, 1, 1}, wgmma(0)), cannot("fp16 of (1,64,8,7) to (1,8,8,7)"));
  EXPECT_EQ(refused(MathType::kF16, kResBlock, wgmma(4)), "conv2d: there is no tile 4; there are 4");
  EXPECT_EQ(refused(MathType::kF16, {1, 4, 32, 64, 8, 3, 3, 1, 1, 1}, wgmma(0)),
            "conv2d: 1 tiles of a plane for clusters of 2; a multiple is needed");
}

TEST(Conv2dWgmmaErrors, SplitsAreRefused) {
  float sums;
  unsigned counters;
  EXPECT_EQ(text_of(ErrorKind::kInternal,
                    [&] {
                      conv2d(MathType::kF16, kResBlock, {0, 2, true}, nullptr, nullptr, nullptr, false, {},
                             {&sums, &counters}, nullptr);
                    }),
            "conv2d: wgmma in 2 splits; only 1 is there");
}

#ifdef EMO_SIMT  // a device of any kind
TEST(Conv2dWgmmaErrors, OtherDevicesAndOldDriversAreRefused) {
  const std::string text =
      "conv2d: no wgmma here; compute capability 9.0, a driver of CUDA 12 and a build for sm_90a are needed";
  EXPECT_TRUE(has_wgmma());
  for (const simt::Device& device : {simt::Device{.major = 8}, {.major = 10}, {.tensor_maps = false}, {.count = 0}}) {
    simt::set_device(device);
    EXPECT_FALSE(has_wgmma());
    EXPECT_EQ(refused(MathType::kF16, kResBlock, wgmma(0)), text);
  }
  simt::set_device({});
  simt::reset();
}
#endif

}  // namespace
}  // namespace emo
