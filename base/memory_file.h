#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

#include "base/error.h"

namespace emo {

/// A file in memory with these bytes, for code that takes a path.
class MemoryFile {
 public:
  /// Throws Error(kDevice) when the system refuses it.
  explicit MemoryFile(std::span<const std::byte> bytes) : fd_(::memfd_create("emoengine", MFD_CLOEXEC)) {
    bool whole = fd_ >= 0;
    while (whole && !bytes.empty()) {
      const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
      whole = written > 0;
      if (whole) bytes = bytes.subspan(std::size_t(written));
    }
    if (whole) return;
    if (fd_ >= 0) ::close(fd_);
    fail(ErrorKind::kDevice, "the system gives no file in memory of ", bytes.size(), " bytes; end other programs");
  }
  ~MemoryFile() { ::close(fd_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  std::filesystem::path path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  const int fd_;
};

}  // namespace emo
