#include "engine/media/file_kind.h"

#include <algorithm>
#include <cstring>
#include <string_view>

namespace emo {
namespace {

using namespace std::string_view_literals;

struct Signature {
  std::string_view start;
  std::size_t at;  ///< where `more` stands
  std::string_view more;
  FileType type;
};

constexpr Signature kSignatures[] = {
    {"\xFF\xD8\xFF", 0, "", {FileKind::kJpeg, "a JPEG picture"}},
    {"\x89PNG\r\n\x1A\n", 0, "", {FileKind::kPng, "a PNG picture"}},
    {"RIFF", 8, "WEBP", {FileKind::kWebp, "a WebP picture"}},
    {"II\x2A\0"sv, 0, "", {FileKind::kTiff, "a TIFF picture"}},
    {"MM\0\x2A"sv, 0, "", {FileKind::kTiff, "a TIFF picture"}},
    {"BM", 0, "", {FileKind::kBmp, "a BMP picture"}},
    {"RIFF", 8, "WAVE", {FileKind::kWav, "a WAV sound"}},
    {"RF64", 8, "WAVE", {FileKind::kWav, "a WAV sound"}},
    {"FORM", 8, "AIF", {FileKind::kAiff, "an AIFF sound"}},
    {".snd", 0, "", {FileKind::kAu, "an AU sound"}},
    {"caff", 0, "", {FileKind::kCaf, "a CAF sound"}},
    {"fLaC", 0, "", {FileKind::kFlac, "a FLAC sound"}},
    {"OggS", 0, "", {FileKind::kOgg, "an Ogg sound"}},
    {"ID3", 0, "", {FileKind::kMp3, "an MP3 sound"}},
    {"GIF8", 0, "", {FileKind::kForeign, "a GIF picture"}},
    {"II\x2B\0"sv, 0, "", {FileKind::kForeign, "a BigTIFF picture"}},
    {"MM\0\x2B"sv, 0, "", {FileKind::kForeign, "a BigTIFF picture"}},
    {"", 4, "ftyp", {FileKind::kForeign, "an MP4, M4A, HEIC or AVIF file"}},
    {"\x1A\x45\xDF\xA3", 0, "", {FileKind::kForeign, "a Matroska or WebM file"}},
    {"%PDF", 0, "", {FileKind::kForeign, "a PDF document"}},
    {"RIFF", 8, "AVI ", {FileKind::kForeign, "an AVI video"}},
};

}  // namespace

FileType file_type(std::span<const std::byte> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), std::min<std::size_t>(bytes.size(), 4096));
  for (const Signature& s : kSignatures) {
    if (text.starts_with(s.start) && text.size() >= s.at && text.substr(s.at).starts_with(s.more)) return s.type;
  }
  // A bare MPEG audio frame: 11 bits of sync, then neither the reserved version nor the reserved layer.
  if (text.size() >= 2 && text[0] == '\xFF') {
    const int b = static_cast<unsigned char>(text[1]);
    if ((b & 0xE0) == 0xE0 && (b & 0x18) != 0x08 && (b & 0x06) != 0) return {FileKind::kMp3, "an MP3 sound"};
  }
  const auto printable = [](unsigned char c) { return c >= ' ' || std::strchr("\t\n\f\r\33", c); };
  if (text.find('\0') == text.npos && std::ranges::all_of(text, printable)) return {FileKind::kForeign, "a text file"};
  return {};
}

}  // namespace emo
