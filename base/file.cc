#include "base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/text.h"

namespace emo {
namespace {

std::string reason() { return std::strerror(errno); }

/// Calls make() with names beside `path` until one is new; keeps that one in `name` unless make() fails. The count keeps
/// threads apart, the process id runs; an old crash may have left the same. Short: the output's own name may have 255 bytes.
template <typename Make>
int with_new_name(const std::filesystem::path& path, std::filesystem::path& name, Make make) {
  static std::atomic<unsigned> count{0};
  std::filesystem::path candidate = path;
  int result = -1;
  do {
    candidate.replace_filename(concat(".emoengine.", ::getpid(), '.', count++, ".part"));
    result = make(candidate.c_str());
  } while (result < 0 && errno == EEXIST);
  if (result >= 0) name = candidate;
  return result;
}

}  // namespace

MappedFile::MappedFile(const std::filesystem::path& path, ErrorKind kind) {
  // Without O_NONBLOCK, opening a pipe that nobody writes to would wait for ever.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) fail(kind, path.string(), ": cannot be opened: ", reason(), ". Check the path and its permissions");
  struct stat st {};
  std::string problem;
  if (::fstat(fd, &st) != 0) {
    problem = reason();
  } else if (S_ISDIR(st.st_mode)) {
    problem = "is a folder; name one file in it";
  } else if (!S_ISREG(st.st_mode)) {
    problem = "is not a regular file; a file is needed";
  } else if (st.st_size == 0) {
    problem = "is empty (0 bytes); copy or download it again";
  } else {
    data_ = ::mmap(nullptr, std::size_t(st.st_size), PROT_READ, MAP_PRIVATE, fd, 0);
    if (data_ == MAP_FAILED) {
      problem = "cannot be mapped: " + reason();
      data_ = nullptr;
    } else {
      size_ = std::size_t(st.st_size);
    }
  }
  ::close(fd);
  if (!problem.empty()) fail(kind, path.string(), ": ", problem);
}

MappedFile::~MappedFile() {
  if (data_) ::munmap(data_, size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

void release_pages(std::span<const std::byte> part) {
  const auto page = std::uintptr_t(::sysconf(_SC_PAGESIZE)), from = reinterpret_cast<std::uintptr_t>(part.data());
  const std::uintptr_t begin = (from + page - 1) / page * page, end = (from + part.size()) / page * page;
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

std::filesystem::path output_path(std::filesystem::path path) {
  if (path.empty()) fail(ErrorKind::kInput, "output: the path is empty; name a file");
  std::error_code ignored;
  // weakly_canonical() stops at a link to nothing.
  for (int hops = 0; std::filesystem::is_symlink(path, ignored); ++hops) {
    if (hops == 40) fail(ErrorKind::kInput, "output: ", path.string(), " is a link that leads back to itself; name a file");
    path = path.parent_path() / std::filesystem::read_symlink(path, ignored);
  }
  if (!path.has_filename() || std::filesystem::is_directory(path, ignored)) {
    fail(ErrorKind::kInput, "output: '", path.string(), "' is a folder; name a file in it");
  }
  // A rename over /dev/null or a pipe would replace it by a plain file.
  if (std::filesystem::exists(path, ignored) && !std::filesystem::is_regular_file(path, ignored)) {
    fail(ErrorKind::kInput, "output: ", path.string(), " is a device or a pipe; a regular file is needed");
  }
  return path;
}

std::string known_extension(const char* role, const std::filesystem::path& path, std::span<const std::string_view> known) {
  const std::string extension = lower_extension(path);
  if (std::ranges::find(known, extension) != known.end()) return extension;
  std::string wanted(known[0]);
  for (std::size_t i = 1; i < known.size(); ++i) {
    wanted += (i + 1 < known.size() ? ", " : " or ") + std::string(known[i]);
  }
  fail(ErrorKind::kUsage, role, ": ", path.string(), " ends in '", extension, "'; ", wanted, " is needed");
}

bool write_all(int fd, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes = bytes.subspan(std::size_t(n));
  }
  return true;
}

OutputFile::OutputFile(std::filesystem::path path) : path_(output_path(std::move(path))) {
  if (const auto number = parse_number(path_.stem().string()); path_.parent_path() == "/dev/fd" && number) {
    copy_to_ = int(*number);
    fd_ = ::memfd_create("emoengine", MFD_CLOEXEC);
    if (fd_ < 0) fail(ErrorKind::kDevice, "output: the system gives no file in memory: ", reason());
    return;
  }
  const auto folder = path_.has_parent_path() ? path_.parent_path() : std::filesystem::path(".");
  fd_ = ::open(folder.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
  if (fd_ < 0 && errno == EOPNOTSUPP) {  // NFS and FAT have no files without a name
    fd_ = with_new_name(path_, temporary_,
                        [](const char* name) { return ::open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666); });
  }
  if (fd_ < 0) {
    fail(ErrorKind::kInput, "output: ", path_.string(), " cannot be written: ", reason(),
         ". Check that its folder exists and may be written to");
  }
}

OutputFile::~OutputFile() {
  if (fd_ < 0) return;
  ::close(fd_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void OutputFile::write_to(int fd, std::span<const std::byte> bytes) const {
  if (!write_all(fd, bytes)) fail(ErrorKind::kInput, "output: ", path_.string(), " cannot be written: ", reason());
}

void OutputFile::write(std::span<const std::byte> bytes) { write_to(fd_, bytes); }

void OutputFile::write(const std::string& text) { write(std::as_bytes(std::span(text))); }

void OutputFile::commit() {
  if (copy_to_ >= 0) {
    std::vector<std::byte> block(1 << 16);
    off_t at = 0;
    for (ssize_t got; (got = ::pread(fd_, block.data(), block.size(), at)) > 0; at += got) {
      write_to(copy_to_, std::span(block).first(std::size_t(got)));
    }
    ::close(std::exchange(fd_, -1));
    return;
  }
  // fsync before rename: after a crash the name must not stand on a file without its contents.
  if (::fsync(fd_) != 0 && errno != EINVAL) {
    fail(ErrorKind::kInput, "output: ", path_.string(), " cannot be written: ", reason());
  }
  if (temporary_.empty()) {  // a link cannot replace an older file, a rename can
    const std::string self = "/proc/self/fd/" + std::to_string(fd_);
    const int linked = with_new_name(path_, temporary_, [&](const char* name) {
      return ::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, name, AT_SYMLINK_FOLLOW);
    });
    if (linked != 0) fail(ErrorKind::kInput, "output: ", path_.string(), " cannot be given its name: ", reason());
  }
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
    fail(ErrorKind::kInput, "output: ", path_.string(), " cannot be renamed into place: ", reason());
  }
  ::close(std::exchange(fd_, -1));
}

}  // namespace emo
