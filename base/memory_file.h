#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace emo {

/// A file in memory, for code that takes a path.
class MemoryFile {
 public:
  /// With these bytes. Throws Error(kDevice) when the system refuses it.
  explicit MemoryFile(std::span<const std::byte> bytes) { add(bytes); }
  /// With what comes from an open descriptor till its end; `name` is what errors call it.
  /// Throws Error(kInput) when more than max_bytes come or it cannot be read.
  MemoryFile(int from, const std::string& name, std::uint64_t max_bytes);
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  std::filesystem::path path() const { return "/proc/self/fd/" + std::to_string(file_.fd); }

 private:
  void add(std::span<const std::byte> bytes);

  struct Descriptor {
    int fd = ::memfd_create("emoengine", MFD_CLOEXEC);
    ~Descriptor() {
      if (fd >= 0) ::close(fd);
    }
  };
  const Descriptor file_;
};

}  // namespace emo
