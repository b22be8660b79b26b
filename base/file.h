#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"

namespace emo {

/// A file mapped read-only. Moves, never copies.
class MappedFile {
 public:
  MappedFile() = default;
  /// Throws Error(kind) "PATH: ..." when it is missing, no regular file, unreadable or empty.
  MappedFile(const std::filesystem::path& path, ErrorKind kind);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  std::span<const std::byte> bytes() const { return {static_cast<const std::byte*>(data_), size_}; }

 private:
  void* data_ = nullptr;
  std::size_t size_ = 0;
};

/// Lets go of the memory of the whole pages in a part of a MappedFile that has been read: it comes back when it is touched.
/// Until then every page read counts as this process's: 58 MB of a WAV of ten minutes.
void release_pages(std::span<const std::byte> part);

/// Where an output of this name is written: links are followed, since a rename would replace the link.
/// Throws Error(kInput) when `path` is empty, a folder, a device or a pipe.
std::filesystem::path output_path(std::filesystem::path path);

/// lower_extension() of a file named as `role`, "output" or "input". Throws Error(kUsage) naming the known ones for another.
std::string known_extension(const char* role, const std::filesystem::path& path, std::span<const std::string_view> known);

/// Writes all of it to a descriptor. False when the system refuses, which errno says.
bool write_all(int fd, std::span<const std::byte> bytes);

/// An output that exists only when it is whole: written to a file without a name, which commit() puts in its place. Without
/// commit(), or when the process is killed, nothing of it is left and an older file of that name stays as it was.
/// A name /dev/fd/N.EXT means the open descriptor N, to which commit() copies all.
class OutputFile {
 public:
  /// Throws as output_path() does, and Error(kInput) when the folder is missing or not writable.
  explicit OutputFile(std::filesystem::path path);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  /// Throws Error(kInput) with the reason of the system (disk full ...).
  void write(std::span<const std::byte> bytes);
  void write(const std::string& text);
  /// Flushes and renames. Throws Error(kInput) when either fails.
  void commit();

 private:
  void write_to(int fd, std::span<const std::byte> bytes) const;

  std::filesystem::path path_, temporary_;  ///< temporary_ is empty while the file has no name
  int fd_ = -1, copy_to_ = -1;
};

}  // namespace emo
