#pragma once

#include <cstddef>
#include <string>
#include <utility>

namespace simt {

/// Memory that starts as NaNs and ends at a page which nobody may touch; another lies before it. A store past the end ends
/// the program with a line that names `what`; the few bytes that alignment leaves on either side are checked by damaged().
class GuardedMemory {
 public:
  GuardedMemory() = default;
  GuardedMemory(std::size_t bytes, std::size_t align, std::string what);
  ~GuardedMemory();
  GuardedMemory(GuardedMemory&& other) noexcept { *this = std::move(other); }
  GuardedMemory& operator=(GuardedMemory&& other) noexcept;

  std::byte* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }
  std::size_t align() const { return align_; }
  void poison();
  /// True when something outside [data, data + bytes) was written since the last poison().
  bool damaged() const;

 private:
  std::byte* mapping_ = nullptr;
  std::size_t mapped_bytes_ = 0;
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0, align_ = 0;
};

/// Floats, halves and bf16s of these bytes are NaN, integers -1.
constexpr int kPoison = 0xff;

/// The handler that names the guard page which a store has hit runs on a stack of its own: to be called by each OS thread.
void watch_guard_pages();

}  // namespace simt
