#pragma once

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <vector>

namespace emo {

/// Times of something that a benchmark does again and again.
class Latencies {
 public:
  /// Runs it once and keeps its time by the wall clock; returns what it returns.
  template <typename Call>
  auto time(Call&& call) {
    struct Keep {
      std::vector<double>& seconds;
      std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
      ~Keep() { seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count()); }
    } keep{seconds_};
    return call();
  }

  void add(double seconds) { seconds_.push_back(seconds); }
  double last() const { return seconds_.back(); }

  /// The least time that this share of the calls stayed within: 0 gives the least of all, 0.5 the median.
  double seconds(double share) const {
    std::vector<double> sorted = seconds_;
    const double rank = std::max(1., std::ceil(share * double(sorted.size())));
    const auto nth = sorted.begin() + std::ptrdiff_t(rank) - 1;
    std::ranges::nth_element(sorted, nth);
    return *nth;
  }
  double median() const { return seconds(0.5); }

  /// Sets the counters median_ms and p99_ms.
  void report(benchmark::State& state) const {
    state.counters["median_ms"] = median() * 1e3;
    state.counters["p99_ms"] = seconds(0.99) * 1e3;
  }

 private:
  std::vector<double> seconds_;
};

/// Runs it for 0.1 s and at least once: memory gets its pages, a GPU its clock.
template <typename Call>
void warm_up(Call&& call) {
  const auto start = std::chrono::steady_clock::now();
  do call();
  while (std::chrono::steady_clock::now() - start < std::chrono::milliseconds(100));
}

}  // namespace emo
