#include "tools/emoengine/serve/log.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <ctime>
#include <nlohmann/json.hpp>

namespace emo::serve {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kLines = 1024;      // that wait for the reader
constexpr std::size_t kLineBytes = 4096;  // PIPE_BUF: a pipe that is ready takes so much without blocking
constexpr auto kLast = std::chrono::seconds(1);

std::string now_text() {
  const auto now = std::chrono::system_clock::now();
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  char text[40], whole[48];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
  std::snprintf(whole, sizeof whole, "%s.%03dZ", text, int(ms));
  return whole;
}

std::string line_of(const char* level, const nlohmann::ordered_json& fields) {
  nlohmann::ordered_json line{{"time", now_text()}, {"level", level}};
  line.update(fields);
  std::string text = line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  if (text.size() >= kLineBytes) text = R"({"level":"warning","message":"a line was too long and left out"})";
  return text + "\n";
}

}  // namespace

Log::Log(int fd) : fd_(::dup(fd)), thread_([this] { work(); }) {}

Log::~Log() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    came_.notify_all();
  }
  thread_.join();
  if (fd_ >= 0) ::close(fd_);
}

void Log::write(const char* level, const nlohmann::ordered_json& line) {
  std::string text = line_of(level, line);
  const std::lock_guard lock(mutex_);
  if (lines_.size() >= kLines) {
    ++dropped_;
    return;
  }
  lines_.push_back(std::move(text));
  came_.notify_all();
}

std::uint64_t Log::dropped() const {
  const std::lock_guard lock(mutex_);
  return dropped_;
}

void Log::work() {
  auto last = Clock::time_point::max();
  std::string text;  // on its way
  std::unique_lock lock(mutex_);
  while (true) {
    if (text.empty()) came_.wait(lock, [this] { return ending_ || !lines_.empty(); });
    if (ending_ && last == Clock::time_point::max()) last = Clock::now() + kLast;
    if ((lines_.empty() && text.empty()) || Clock::now() >= last) return;
    if (text.empty() && dropped_ > told_) {
      text = line_of("warning", {{"message", "the log's reader was too slow"}, {"lines_left_out", dropped_ - told_}});
      told_ = dropped_;
    } else if (text.empty()) {
      text = std::move(lines_.front());
      lines_.pop_front();
    }
    lock.unlock();
    send(text);
    lock.lock();
  }
}

/// Waits 0.1 s at most. Takes off the text what was sent.
void Log::send(std::string& text) const {
  pollfd ready{fd_, POLLOUT, 0};
  if (::poll(&ready, 1, 100) <= 0) return;
  const ssize_t written = ::write(fd_, text.data(), text.size());
  if (written > 0) text.erase(0, std::size_t(written));
  if (written < 0 && errno != EINTR && errno != EAGAIN) text.clear();  // nobody reads any more
}

}  // namespace emo::serve
