#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <thread>

namespace emo::serve {

/// JSON lines, written by a thread of its own: a reader that does not read blocks nobody, and what it would have to wait for
/// is left out and counted.
class Log {
 public:
  /// Keeps a copy of the file descriptor.
  explicit Log(int fd);
  /// Writes what can be written within a second.
  ~Log();

  /// {"time": ..., "level": level, ...line}
  void write(const char* level, const nlohmann::ordered_json& line);
  /// Lines left out.
  std::uint64_t dropped() const;

 private:
  void work();
  void send(std::string& text) const;

  const int fd_;
  mutable std::mutex mutex_;
  std::condition_variable came_;
  std::deque<std::string> lines_;
  std::uint64_t dropped_ = 0, told_ = 0;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace emo::serve
