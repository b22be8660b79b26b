#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <string>

namespace emo::serve {

/// Bytes on their way from a thread that makes them to a connection that sends them. A few are held; then the maker waits.
class ByteStream {
 public:
  /// For the maker: waits for room. False when nobody wants them any more.
  bool push(std::span<const std::uint8_t> bytes);
  /// No more come; `error` if that is not how it should have ended.
  void end(std::exception_ptr error = nullptr);

  /// For the connection: what has come, or nothing yet; then `wake` is called, once, from any thread, when there is
  /// something. An empty text is the end. Throws the maker's error.
  std::optional<std::string> take(std::function<void()> wake);
  /// Nobody wants more.
  void abandon();
  bool abandoned() const;

 private:
  void tell(std::unique_lock<std::mutex>& lock);

  mutable std::mutex mutex_;
  std::condition_variable room_;
  std::string bytes_;
  bool ended_ = false, abandoned_ = false;
  std::exception_ptr error_;
  std::function<void()> wake_;
};

}  // namespace emo::serve
