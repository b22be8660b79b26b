#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"

namespace emo {

/// Reads little-endian values one after the other from a file's bytes. Whatever would run past the end throws
/// Error(kModel) "FILE: is truncated: ...", so the readers built on it need no bounds checks of their own.
class ByteReader {
 public:
  static_assert(std::endian::native == std::endian::little, "values are copied as they lie in the file");

  /// `name` stands for the file in errors; both outlive the reader.
  ByteReader(std::span<const std::byte> bytes, const std::string& name, std::uint64_t position = 0)
      : bytes_(bytes), name_(name) {
    take(position);
  }

  std::size_t position() const { return position_; }
  std::size_t remaining() const { return bytes_.size() - position_; }

  std::span<const std::byte> take(std::uint64_t count) {
    if (count > remaining()) {
      fail(ErrorKind::kModel, name_, ": is truncated: ", count, " bytes are needed at ", position_, ", ", remaining(),
           " are there. Copy or download it again");
    }
    position_ += std::size_t(count);
    return bytes_.subspan(position_ - std::size_t(count), std::size_t(count));
  }

  std::string_view text(std::uint64_t count) {
    const auto bytes = take(count);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  template <std::integral T>
  T read() {
    T value;
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }

 private:
  std::span<const std::byte> bytes_;
  const std::string& name_;
  std::size_t position_ = 0;
};

}  // namespace emo
