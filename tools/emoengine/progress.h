#pragma once

#include <chrono>
#include <cstddef>
#include <string>

namespace emo::cli {

/// Shows on stderr how far long work is: on a terminal one line that is rewritten, "animate: 120 of 250 frames, 21.3/s, 6 s
/// left"; elsewhere (a log) the same as a line of its own every 10 s; nothing when quiet. Used by one thread.
class Progress {
 public:
  using Clock = std::chrono::steady_clock;
  /// `start`: from when the time to the first is counted.
  Progress(std::string work, std::string unit, std::size_t total, bool quiet, Clock::time_point start = Clock::now());
  /// Wipes the terminal's line, so that what is printed next stands on a line of its own.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void step();
  /// "250 frames, 21.3/s, the first after 0.42 s": what to say at the end. The rate counts from the start, so that
  /// work which is done several at a time has one too.
  std::string summary() const;

 private:
  double rate() const;

  const std::string work_, unit_;
  const std::size_t total_;
  const bool quiet_, terminal_;
  const Clock::time_point start_;
  Clock::time_point first_ = start_, last_ = start_, shown_ = start_;
  std::size_t done_ = 0;
};

}  // namespace emo::cli
