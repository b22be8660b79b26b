#include "kernels/read_out.h"

#include <gtest/gtest.h>

#include <cfloat>

#include "tests/close.h"
#include "tests/random_generator.h"
#include "tests/simt/buffer.h"
#include "tests/simt/seeds.h"

namespace emo {
namespace {

struct ReadOutCase {
  int columns, aus, forward;
  std::vector<LstmClip> clips = {{0, 5}, {5, 0}, {5, 40}};
  std::vector<ReadOutRange> ranges = {{0, 0, 5}, {5, 0, 40}, {5, 39, 40}, {5, 7, 7}, {0, 3, 4}, {5, 12, 31}, {5, 9, 2}};
  std::vector<float> states = random_values(45 * columns, 1, -1, 1), weight = random_values(aus * columns, 2, -1, 1),
                     bias = random_values(aus, 3, -1, 1);

  std::vector<float> run(bool mean) const {
    const Buffer<float> s(states), w(weight), b(bias), out(ranges.size() * aus);
    const Buffer<LstmClip> where(clips);
    const Buffer<ReadOutRange> what(ranges);
    const Buffer<double> sums(states.size());
    if (mean) running_sums(s, columns, where, int(clips.size()), sums, nullptr);
    read_out({columns, aus, w, b}, s, mean ? sums.get() : nullptr, forward, what, int(ranges.size()), out, nullptr);
    return out.host();
  }

  std::vector<float> plain(bool mean) const {
    std::vector<float> out;
    for (const ReadOutRange& r : ranges) {
      for (int au = 0; au < aus; ++au) {
        double sum = bias[au];
        for (int i = 0; i < columns; ++i) {
          const auto state = [&](int row) { return double(states[(r.first_row + row) * columns + i]); };
          double z = 0;
          for (int row = r.begin; row < r.end && mean; ++row) z += state(row) / (r.end - r.begin);
          if (!mean && r.begin < r.end) z = state(i < forward ? r.end - 1 : r.begin);
          sum += z * weight[au * columns + i];
        }
        out.push_back(r.begin < r.end ? float(sum) : 0.f);
      }
    }
    return out;
  }
};

TEST(ReadOut, MatchesAPlainLoop) {
  for (const ReadOutCase& c : {ReadOutCase{1, 1, 1}, {19, 17, 19}, {38, 17, 19}, {300, 64, 150}}) {
    SCOPED_TRACE(c.columns);
    for (const bool mean : {true, false}) {
      for_each_seed([&] { expect_close(c.run(mean), c.plain(mean), c.columns * FLT_EPSILON); });  // one rounding of the sum
    }
  }
}

TEST(ReadOut, NothingAskedIsNothingDone) {
  EXPECT_NO_THROW(running_sums(nullptr, 3, nullptr, 0, nullptr, nullptr));
  EXPECT_NO_THROW(read_out({3, 3}, nullptr, nullptr, 3, nullptr, 0, nullptr, nullptr));
}

}  // namespace
}  // namespace emo
