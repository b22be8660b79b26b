#pragma once

#include <cstddef>
#include <cstring>
#include <span>

namespace emo {

enum class FileKind {
  kUnknown,
  kJpeg,
  kPng,
  kWebp,
  kTiff,
  kBmp,
  kHeic,
  kAvif,
  kJxl,
  kWav,
  kAiff,
  kAu,
  kCaf,
  kFlac,
  kOgg,
  kMp3,
  kFfmpeg,
  kForeign
};

struct FileType {
  FileKind kind = FileKind::kUnknown;
  const char* name = "a file of unknown kind";  ///< with its article: "an AIFF sound"

  const char* noun() const { return std::strchr(name, ' ') + 1; }  ///< without: "AIFF sound"
};

/// What a file is by its first bytes; its name is not asked. kFfmpeg: a sound or video that FFmpeg decodes. kForeign: known
/// by name, so that the error can say it, but not read here.
FileType file_type(std::span<const std::byte> bytes);

}  // namespace emo
