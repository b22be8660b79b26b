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
    {"", 4, "ftypavif", {FileKind::kAvif, "an AVIF picture"}},
    {"", 4, "ftypavis", {FileKind::kAvif, "an AVIF picture"}},
    {"", 4, "ftyphe", {FileKind::kHeic, "a HEIC picture"}},
    {"", 4, "ftypmif1", {FileKind::kHeic, "a HEIC picture"}},
    {"", 4, "ftypmsf1", {FileKind::kHeic, "a HEIC picture"}},
    {"\xFF\x0A", 0, "", {FileKind::kJxl, "a JPEG XL picture"}},
    {"\0\0\0\x0CJXL \r\n\x87\n"sv, 0, "", {FileKind::kJxl, "a JPEG XL picture"}},
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
    {"%PDF", 0, "", {FileKind::kForeign, "a PDF document"}},
    {"", 4, "ftypM4A", {FileKind::kFfmpeg, "an M4A sound"}},
    {"", 4, "ftypM4B", {FileKind::kFfmpeg, "an M4B sound"}},
    {"", 4, "ftyp3g", {FileKind::kFfmpeg, "a 3GP video"}},
    {"", 4, "ftypqt", {FileKind::kFfmpeg, "a MOV video"}},
    {"", 4, "ftyp", {FileKind::kFfmpeg, "an MP4 video"}},
    {"", 4, "moov", {FileKind::kFfmpeg, "a MOV video"}},
    {"", 4, "mdat", {FileKind::kFfmpeg, "a MOV video"}},
    {"", 4, "wide", {FileKind::kFfmpeg, "a MOV video"}},
    {"\x30\x26\xB2\x75\x8E\x66\xCF\x11", 0, "", {FileKind::kFfmpeg, "a WMA or WMV file"}},
    {"\x0B\x77", 0, "", {FileKind::kFfmpeg, "an AC-3 sound"}},
    {"riff\x2E\x91\xCF\x11", 0, "", {FileKind::kFfmpeg, "a W64 sound"}},
    {"#!AMR", 0, "", {FileKind::kFfmpeg, "an AMR sound"}},
    {"RIFF", 8, "AVI ", {FileKind::kFfmpeg, "an AVI video"}},
    {"FLV\1", 0, "", {FileKind::kFfmpeg, "an FLV video"}},
    {"\0\0\1\xBA"sv, 0, "", {FileKind::kFfmpeg, "an MPEG video"}},
    {"G", 188, "G", {FileKind::kFfmpeg, "a TS video"}},
};

}  // namespace

FileType file_type(std::span<const std::byte> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), std::min<std::size_t>(bytes.size(), 4096));
  for (const Signature& s : kSignatures) {
    if (text.starts_with(s.start) && text.size() >= s.at && text.substr(s.at).starts_with(s.more)) return s.type;
  }
  if (text.starts_with("\x1A\x45\xDF\xA3")) {  // EBML, whose header names the kind within its first bytes
    const bool webm = text.substr(0, 64).find("webm") != text.npos;
    return {FileKind::kFfmpeg, webm ? "a WebM video" : "a Matroska video"};
  }
  // A bare MPEG audio frame: 11 bits of sync, then neither the reserved version nor the reserved layer, which is AAC's.
  if (text.size() >= 2 && text[0] == '\xFF') {
    const int b = static_cast<unsigned char>(text[1]);
    if ((b & 0xF6) == 0xF0) return {FileKind::kFfmpeg, "an AAC sound"};
    if ((b & 0xE0) == 0xE0 && (b & 0x18) != 0x08 && (b & 0x06) != 0) return {FileKind::kMp3, "an MP3 sound"};
  }
  const auto printable = [](unsigned char c) { return c >= ' ' || std::strchr("\t\n\f\r\33", c); };
  if (text.find('\0') == text.npos && std::ranges::all_of(text, printable)) return {FileKind::kForeign, "a text file"};
  return {};
}

}  // namespace emo
