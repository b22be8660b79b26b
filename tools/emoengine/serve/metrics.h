#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>

namespace emo::serve {

/// What the server counts; thread-safe.
class Metrics {
 public:
  void answered(const std::string& endpoint, int status, double seconds);

  std::atomic<int> connections = 0, sessions = 0, in_flight = 0;
  std::atomic<std::uint64_t> refused_connections = 0;

  /// Counters and histograms in the text format of Prometheus, version 0.0.4.
  std::string text() const;

 private:
  static constexpr double kBounds[] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30};
  struct Durations {
    std::array<std::uint64_t, std::size(kBounds)> below = {};
    std::uint64_t count = 0;
    double sum = 0;
  };
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, int>, std::uint64_t> answers_;  ///< by endpoint and status
  std::map<std::string, Durations> durations_;                    ///< by endpoint
};

/// "# HELP name help\n# TYPE name type\n"
std::string metric_head(const std::string& name, const char* type, const char* help);

}  // namespace emo::serve
