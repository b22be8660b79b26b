#include "tools/emoengine/serve/byte_stream.h"

#include <utility>

namespace emo::serve {
namespace {

constexpr std::size_t kHeldBytes = 1 << 20;

}  // namespace

void ByteStream::tell(std::unique_lock<std::mutex>& lock) {
  const auto wake = std::exchange(wake_, nullptr);
  lock.unlock();
  if (wake) wake();
}

bool ByteStream::push(std::span<const std::uint8_t> bytes) {
  std::unique_lock lock(mutex_);
  room_.wait(lock, [&] { return abandoned_ || bytes_.size() < kHeldBytes; });
  if (abandoned_) return false;
  bytes_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  tell(lock);
  return true;
}

void ByteStream::end(std::exception_ptr error) {
  std::unique_lock lock(mutex_);
  ended_ = true;
  error_ = std::move(error);
  tell(lock);
}

std::optional<std::string> ByteStream::take(std::function<void()> wake) {
  const std::unique_lock lock(mutex_);
  if (!bytes_.empty()) {
    room_.notify_all();
    return std::exchange(bytes_, {});
  }
  if (error_) std::rethrow_exception(error_);
  if (ended_) return "";
  wake_ = std::move(wake);
  return std::nullopt;
}

void ByteStream::abandon() {
  const std::lock_guard lock(mutex_);
  abandoned_ = true;
  bytes_.clear();
  wake_ = nullptr;
  room_.notify_all();
}

bool ByteStream::abandoned() const {
  const std::lock_guard lock(mutex_);
  return abandoned_;
}

}  // namespace emo::serve
