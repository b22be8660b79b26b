#include "kernels/features.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cfloat>
#include <cmath>

#include "tests/close.h"
#include "tests/random_generator.h"
#include "tests/simt/buffer.h"
#include "tests/simt/seeds.h"

namespace emo {
namespace {

TEST(WindowEnergies, SameBitsAsAPlainLoop) {
  struct Sizes {
    int samples, window, hop;
  };
  for (const Sizes& s : {Sizes{1, 400, 160},
                         {399, 400, 160},
                         {400, 400, 160},
                         {5000, 400, 160},
                         {111, 19, 7},
                         {70, 1, 3},
                         {40000, 16384, 5000},
                         {40000, 3000, 16384}}) {
    SCOPED_TRACE(s.samples);
    const auto pcm = random_values(s.samples, 1, -1, 1);
    std::vector<double> want(s.samples < s.window ? 1 : 1 + (s.samples - s.window) / s.hop);
    for (int i = 0; i < int(want.size()); ++i) {
      for (int k = i * s.hop; k < std::min(s.samples, i * s.hop + s.window); ++k) want[i] += double(pcm[k]) * pcm[k];
      want[i] /= s.window;
    }
    const Buffer<float> from(pcm);
    const Buffer<double> out(want.size());
    for_each_seed([&] {
      window_energies(from, s.samples, s.window, s.hop, out, int(want.size()), nullptr);
      EXPECT_EQ(out.host(), want);
    });
  }
}

TEST(FrameMeasures, SameBitsAsAPlainLoop) {
  for (const auto& [frames, n_mels, lag] : {std::array{1, 1, 3}, {2, 7, 3}, {131, 64, 3}, {5, 19, 0}}) {
    SCOPED_TRACE(frames);
    const auto mel = random_values(frames * n_mels, 3, -60, 20);
    std::vector<float> want;
    for (int t = 0; t < frames; ++t) {
      const float *now = &mel[t * n_mels], *before = &mel[std::max(0, t - lag) * n_mels];
      const float level = *std::max_element(now, now + n_mels), level_before = *std::max_element(before, before + n_mels);
      float sum = 0, count = 0;
      for (int m = 0; m < n_mels; ++m) {
        if (now[m] >= level - 30 || before[m] >= level_before - 30) sum += std::abs(now[m] - before[m]), ++count;
      }
      want.insert(want.end(), {level, sum / count});
    }
    const Buffer<float> from(mel);
    const Buffer<float2> out(frames);
    for_each_seed([&] {
      frame_measures(from, frames, n_mels, lag, 30, out, nullptr);
      for (int t = 0; t < frames; ++t) {
        EXPECT_EQ(out.host()[t].x, want[2 * t]);
        EXPECT_EQ(out.host()[t].y, want[2 * t + 1]);
      }
    });
  }
}

TEST(Standardise, MatchesAPlainLoop) {
  struct Case {
    int begin, end, gap, stride;  // every gap-th row of [begin, end)
    bool subtracted;
  };
  constexpr int rows = 700, columns = 7;
  const auto features = random_values(rows * columns, 1, -50, 90);
  std::vector<double> mean(columns), std(columns);
  for (int i = 0; i < columns; ++i) mean[i] = i - 3, std[i] = 0.5 + i;
  const Buffer<float> from(features);
  const Buffer<double> m(mean), d(std);
  for (const Case& c : {Case{0, rows, 1, 2, true},
                        {3, 600, 1, 3, false},
                        {5, 6, 1, 2, true},
                        {1, 20, 1, 50, true},
                        {9, 10, 1, 1, false},
                        {3, 690, 5, 3, true}}) {
    std::vector<int> heard;
    for (int t = c.begin; t < c.end; t += c.gap) heard.push_back(t);
    std::vector<float> want;
    for (std::size_t s = 0; s < heard.size(); s += std::size_t(c.stride)) {
      for (int i = 0; i < columns; ++i) {
        double shift = 0;
        for (const int u : heard) shift += c.subtracted ? features[u * columns + i] / double(heard.size()) : 0;
        want.push_back(float((features[heard[s] * columns + i] - shift - mean[i]) / std[i]));
      }
    }
    const Buffer<int> list(heard);
    const Buffer<float> out(want.size());
    for_each_seed([&] {
      standardise(from, columns, list, int(heard.size()), c.stride, c.subtracted, m, d, out, nullptr);
      expect_close(out.host(), want, 300 * FLT_EPSILON);  // the last rounding of values up to 290
    });
  }
}

}  // namespace
}  // namespace emo
