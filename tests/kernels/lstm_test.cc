#include "kernels/lstm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "base/limits.h"
#include "tests/close.h"
#include "tests/simt/buffer.h"
#include "tests/simt/seeds.h"
#include "tests/throws.h"

namespace emo {
namespace {

std::vector<float> normal_values(std::size_t count, unsigned seed, float scale) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, scale);
  std::vector<float> values(count);
  for (float& v : values) v = normal(random);
  return values;
}

/// A layer with random weights, and clips of these lengths.
struct LstmCase {
  int hidden, directions;
  std::vector<LstmClip> clips;
  int rows = 0;
  std::vector<float> w_hh, bias, gates;

  LstmCase(int hidden, int directions, const std::vector<int>& lengths) : hidden(hidden), directions(directions) {
    for (const int length : lengths) {
      clips.push_back({rows, length});
      rows += length;
    }
    const std::size_t H = hidden, D = directions;
    w_hh = normal_values(D * 4 * H * H, 1, 1.5f / std::sqrt(float(H)));
    bias = normal_values(D * 4 * H, 2, 0.5f);
    gates = normal_values(rows * D * 4 * H, 3, 1);
  }

  int sequences() const { return int(clips.size()) * directions; }

  std::vector<float> run(const LstmPlan& plan) const {
    const Buffer<float> w(w_hh), b(bias), in(gates), out(std::vector<float>(std::size_t(rows) * directions * hidden));
    const Buffer<LstmClip> where(clips);
    const Buffer<unsigned> arrived(sequences());
    lstm({hidden, directions, w, b}, plan, in, where, int(clips.size()), out, arrived, nullptr);
    return out.host();
  }
  std::vector<float> run() const { return run(lstm_plan(hidden, sequences(), 132, lstm_has_clusters())); }
};

/// The formulas of lstm.h, one unit at a time in fp64.
std::vector<float> plain_lstm(const LstmCase& c) {
  const int H = c.hidden, D = c.directions;
  const auto sigmoid = [](double v) { return 1 / (1 + std::exp(-v)); };
  std::vector<float> states(std::size_t(c.rows) * D * H);
  for (const LstmClip& clip : c.clips) {
    for (int d = 0; d < D; ++d) {
      std::vector<double> h(H), cell(H);
      for (int step = 0; step < clip.rows; ++step) {
        const std::size_t row = clip.first_row + (d ? clip.rows - 1 - step : step);
        const auto before = h;
        for (int j = 0; j < H; ++j) {
          double gate[4];
          for (int g = 0; g < 4; ++g) {
            const std::size_t at = std::size_t(d) * 4 * H + g * H + j;
            gate[g] = double(c.gates[row * D * 4 * H + at]) + c.bias[at];
            for (int k = 0; k < H; ++k) gate[g] += c.w_hh[at * H + k] * before[k];
          }
          cell[j] = sigmoid(gate[1]) * cell[j] + sigmoid(gate[0]) * std::tanh(gate[2]);
          h[j] = sigmoid(gate[3]) * std::tanh(cell[j]);
          states[(row * D + d) * H + j] = float(h[j]);
        }
      }
    }
  }
  return states;
}

// Sums of 512 products near 1 err by 1e-6, sigmoid and tanh by 2e-7; a step hands on less than it got.
constexpr double kTolerance = 1e-5;

TEST(LstmKernel, MatchesAPlainLoopWithOneBlock) {
  for (const int hidden : {1, 3, 19, 64, 65, 96}) {
    for (const int directions : {1, 2}) {
      SCOPED_TRACE(concat(hidden, " units, ", directions, " directions"));
      const LstmCase c(hidden, directions, {7, 1, 0, 13});
      expect_close(c.run(), plain_lstm(c), kTolerance);
    }
  }
}

TEST(LstmKernel, MatchesAPlainLoopInAClusterAndInAGrid) {
  for (const int hidden : {97, 128, 161, 256}) {
    for (const bool clusters : {true, false}) {
      if (clusters && !lstm_has_clusters()) continue;
      SCOPED_TRACE(concat(hidden, " units, clusters: ", clusters));
      const LstmCase c(hidden, 2, {5, 0, 3});
      expect_close(c.run(lstm_plan(hidden, c.sequences(), 132, clusters)), plain_lstm(c), kTolerance);
    }
  }
}

TEST(LstmKernel, MatchesAPlainLoopBeyondACluster) {
  for (const int hidden : {300, 512}) {
    SCOPED_TRACE(hidden);
    const LstmCase c(hidden, 1, {3, 2});
    // 40 blocks run at the same time: 300 units for both clips, 512 for one after the other.
    expect_close(c.run(lstm_plan(hidden, c.sequences(), 40, lstm_has_clusters())), plain_lstm(c), kTolerance);
  }
}

TEST(LstmKernel, SameBytesUnderEveryPlanAndSeed) {
  const LstmCase c(128, 2, {6, 9});
  const auto want = c.run();
  for_each_seed([&] {
    EXPECT_EQ(c.run(lstm_plan(128, 4, 132, lstm_has_clusters())), want);  // four blocks
    EXPECT_EQ(c.run(lstm_plan(128, 4, 8, lstm_has_clusters())), want);    // two
    EXPECT_EQ(c.run(lstm_plan(128, 4, 132, false)), want);                // a grid
    EXPECT_EQ(c.run(lstm_plan(128, 4, 2, false)), want);                  // a grid for one sequence at a time
  });
  EXPECT_EQ(lstm_plan(128, 4, 132, true).blocks, 4);
  EXPECT_EQ(lstm_plan(128, 4, 8, true).blocks, 2);
}

TEST(LstmKernel, SameBytesForAClipAloneAndInABatch) {
  for (const int hidden : {19, 96, 150}) {
    const LstmCase batch(hidden, 2, {4, 11, 1});
    const auto all = batch.run();
    for (const LstmClip& clip : batch.clips) {
      LstmCase alone = batch;
      alone.clips = {{0, clip.rows}};
      alone.rows = clip.rows;
      const std::size_t in = std::size_t(2) * 4 * hidden, out = std::size_t(2) * hidden;
      alone.gates.assign(&batch.gates[clip.first_row * in], &batch.gates[clip.first_row * in] + clip.rows * in);
      const std::vector<float> want(&all[clip.first_row * out], &all[clip.first_row * out] + clip.rows * out);
      for_each_seed([&] { EXPECT_EQ(alone.run(), want); });
    }
  }
}

TEST(LstmKernel, GatesFarOutSaturate) {
  LstmCase c(1, 1, {2});
  std::fill(c.w_hh.begin(), c.w_hh.end(), 0.f);
  c.bias = {1000, -1000, 1000, 1000};
  std::fill(c.gates.begin(), c.gates.end(), 0.f);
  expect_close(c.run(), std::vector{std::tanh(1.f), std::tanh(1.f)}, 1e-6);
}

TEST(LstmKernel, EveryPlanHoldsAllUnitsInWholeWarps) {
  for (int hidden = 1; hidden <= limits::kMaxCudaLstmHidden; ++hidden) {
    for (const bool clusters : {true, false}) {
      for (const int multiprocessors : {1, 132}) {
        const LstmPlan p = lstm_plan(hidden, 2, multiprocessors, clusters);
        SCOPED_TRACE(concat(hidden, " units on ", p.blocks, " blocks of ", p.units));
        EXPECT_GE(p.lanes * p.slice, hidden);
        EXPECT_GE(p.blocks * p.units, hidden);
        EXPECT_LT((p.blocks - 1) * p.units, hidden);
        EXPECT_EQ(p.units * p.lanes % 32, 0);
        EXPECT_LE(p.units * p.lanes, 384);
        EXPECT_TRUE(!p.cluster || (p.blocks <= 8 && p.lanes <= 8));
        EXPECT_EQ(p.blocks == 1, hidden <= 96);
        EXPECT_EQ(p.cluster, clusters && hidden > 96 && hidden <= 256);
        EXPECT_EQ(p.lanes, lstm_plan(hidden, 1, 1, false).lanes);
        EXPECT_EQ(p.slice, lstm_plan(hidden, 1, 1, false).slice);
      }
    }
  }
}

#ifdef EMO_SIMT  // a device of any kind
TEST(LstmKernel, ClustersAreThereWhereTheLoadedCodeHasThem) {
  EXPECT_TRUE(lstm_has_clusters());
  simt::set_device({.major = 12});
  EXPECT_TRUE(lstm_has_clusters());
  for (const simt::Device& device : {simt::Device{.major = 8}, {.major = 12, .compiled_for = 80}}) {
    simt::set_device(device);
    EXPECT_FALSE(lstm_has_clusters());
  }
  simt::set_device({});
}
#endif

TEST(LstmKernel, ErrorsNameWhatCameAndWhatIsNeeded) {
  EXPECT_EQ(text_of(ErrorKind::kInternal, [] { lstm_plan(513, 1, 132, true); }),
            "lstm: a hidden size of 513; 1 to 512 are taken");
  EXPECT_EQ(text_of(ErrorKind::kInternal, [] { lstm_plan(0, 1, 132, true); }),
            "lstm: a hidden size of 0; 1 to 512 are taken");
  EXPECT_EQ(
      text_of(ErrorKind::kInternal,
              [] { lstm({.hidden = 65}, lstm_plan(64, 1, 132, true), nullptr, nullptr, 1, nullptr, nullptr, nullptr); }),
      "lstm: a hidden size of 65; the plan is for at most 64");
  EXPECT_NO_THROW(lstm({.hidden = 64}, lstm_plan(64, 1, 132, true), nullptr, nullptr, 0, nullptr, nullptr, nullptr));
}

}  // namespace
}  // namespace emo
