#include "base/memory_file.h"

#include <cerrno>
#include <cstring>
#include <vector>

#include "base/error.h"
#include "base/file.h"

namespace emo {

MemoryFile::MemoryFile(int from, const std::string& name, std::uint64_t max_bytes) {
  std::vector<std::byte> block(1 << 16);
  for (std::uint64_t size = 0;;) {
    const ssize_t got = ::read(from, block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(ErrorKind::kInput, name, ": cannot be read: ", std::strerror(errno));
    if (got == 0) return;
    size += std::uint64_t(got);
    if (size > max_bytes) {
      fail(ErrorKind::kInput, name, ": more than ", max_bytes,
           " bytes came, the most of a pipe; save them to a file and name it");
    }
    add(std::span(block).first(std::size_t(got)));
  }
}

void MemoryFile::add(std::span<const std::byte> bytes) {
  if (file_.fd < 0 || !write_all(file_.fd, bytes)) {
    fail(ErrorKind::kDevice, "the system gives no file in memory of ", bytes.size(), " bytes; end other programs");
  }
}

}  // namespace emo
