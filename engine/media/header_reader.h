#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"

namespace emo {

/// Reads numbers of either byte order out of a file's bytes; borrows both. Past their end it throws Error(kInput) saying
/// that the file ends early, so that a parser needs no checks of its own.
class HeaderReader {
 public:
  /// `name` is the file's path and `kind` what it is, for the error: "photo.png", "PNG picture".
  HeaderReader(std::span<const std::byte> bytes, std::string_view name, const char* kind)
      : bytes_(bytes), name_(name), kind_(kind) {}

  std::uint64_t size() const { return bytes_.size(); }
  std::uint8_t u8(std::uint64_t at) const { return std::uint8_t(bytes(at, 1)[0]); }
  std::uint32_t little(std::uint64_t at, int count) const { return number(at, count, false); }
  std::uint32_t big(std::uint64_t at, int count) const { return number(at, count, true); }
  std::uint32_t number(std::uint64_t at, int count, bool big_endian) const {
    std::uint32_t value = 0;
    const auto part = bytes(at, std::uint64_t(count));
    for (int i = 0; i < count; ++i) value = value << 8 | std::uint32_t(part[std::size_t(big_endian ? i : count - 1 - i)]);
    return value;
  }

  /// Whether these characters stand here; false past the end.
  bool has(std::uint64_t at, std::string_view text) const {
    return at <= size() && text.size() <= size() - at && std::memcmp(bytes_.data() + at, text.data(), text.size()) == 0;
  }

  std::span<const std::byte> bytes(std::uint64_t at, std::uint64_t count) const {
    if (at > size() || count > size() - at) {
      fail(ErrorKind::kInput, name_, ": the ", kind_, " ends early, after ", size(), " bytes; copy or download it again");
    }
    return bytes_.subspan(at, count);
  }
  HeaderReader part(std::uint64_t at, std::uint64_t count) const { return {bytes(at, count), name_, kind_}; }

  [[noreturn]] void damaged(const std::string& how) const {
    fail(ErrorKind::kInput, name_, ": the ", kind_, " is damaged: ", how, ". Copy or download it again");
  }
  /// Whole, but of a kind that is not taken.
  [[noreturn]] void refused(const std::string& why) const { fail(ErrorKind::kInput, name_, ": the ", kind_, " ", why); }

 private:
  std::span<const std::byte> bytes_;
  std::string_view name_;
  const char* kind_;
};

}  // namespace emo
