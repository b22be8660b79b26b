#include "kernels/features.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cfloat>

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

TEST(Standardise, MatchesAPlainLoop) {
  struct Case {
    int begin, end, stride;
    bool subtracted;
  };
  constexpr int rows = 700, columns = 7;
  const auto features = random_values(rows * columns, 1, -50, 90);
  std::vector<double> mean(columns), std(columns);
  for (int i = 0; i < columns; ++i) mean[i] = i - 3, std[i] = 0.5 + i;
  const Buffer<float> from(features);
  const Buffer<double> m(mean), d(std);
  for (const Case& c : {Case{0, rows, 2, true}, {3, 600, 3, false}, {5, 6, 2, true}, {1, 20, 50, true}, {9, 10, 1, false}}) {
    std::vector<float> want;
    for (int t = c.begin; t < c.end; t += c.stride) {
      for (int i = 0; i < columns; ++i) {
        double shift = 0;
        for (int u = c.begin; u < c.end && c.subtracted; ++u) shift += features[u * columns + i] / double(c.end - c.begin);
        want.push_back(float((features[t * columns + i] - shift - mean[i]) / std[i]));
      }
    }
    const Buffer<float> out(want.size());
    for_each_seed([&] {
      standardise(from, columns, c.begin, c.end, c.stride, c.subtracted, m, d, out, nullptr);
      expect_close(out.host(), want, 300 * FLT_EPSILON);  // the last rounding of values up to 290
    });
  }
}

}  // namespace
}  // namespace emo
