#include "engine/media/image/image_header.h"

#include <zlib.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "engine/media/header_reader.h"
#include "engine/media/image/check_size.h"
#include "engine/media/image/color_profile.h"

namespace emo {
namespace {

/// The first directory of a TIFF file, which is also how EXIF is stored.
class TiffDirectory {
 public:
  explicit TiffDirectory(const HeaderReader& in) : in_(in), big_(in.has(0, "MM")) {
    at_ = in.number(4, 4, big_);
    entries_ = in.number(at_, 2, big_);
    in.bytes(at_ + 2, std::uint64_t(entries_) * 12);
  }

  /// The numbers of a tag of type SHORT or LONG; empty without it.
  std::vector<std::uint32_t> values(std::uint32_t tag) const {
    const auto entry = find(tag);
    if (!entry) return {};
    const auto [type, count, value_at] = *entry;
    if (type != 3 && type != 4) in_.damaged(concat("tag ", tag, " has type ", type, ", not SHORT or LONG"));
    const int bytes = type == 3 ? 2 : 4;
    const std::uint64_t total = std::uint64_t(count) * bytes;
    const std::uint64_t from = total <= 4 ? value_at : in_.number(value_at, 4, big_);
    in_.bytes(from, total);
    std::vector<std::uint32_t> values(count);
    for (std::uint32_t k = 0; k < count; ++k) values[k] = in_.number(from + std::uint64_t(k) * bytes, bytes, big_);
    return values;
  }
  /// The bytes of a tag of type BYTE or UNDEFINED; empty without it, for another type, or where they are not in the file.
  std::span<const std::byte> bytes(std::uint32_t tag) const {
    const auto entry = find(tag);
    if (!entry || (entry->type != 1 && entry->type != 7)) return {};
    const std::uint64_t from = entry->count <= 4 ? entry->value_at : in_.number(entry->value_at, 4, big_);
    const bool inside = from <= in_.size() && entry->count <= in_.size() - from;
    return inside ? in_.bytes(from, entry->count) : std::span<const std::byte>();
  }
  std::uint32_t value(std::uint32_t tag, std::uint32_t otherwise) const {
    const auto all = values(tag);
    return all.empty() ? otherwise : all[0];
  }

 private:
  struct Entry {
    std::uint32_t type, count;
    std::uint64_t value_at;  // of the values themselves if they fit into 4 bytes, else of their offset
  };
  /// The first entry of a tag: libtiff, too, takes the first of two equal ones.
  std::optional<Entry> find(std::uint32_t tag) const {
    for (std::uint32_t i = 0; i < entries_; ++i) {
      const std::uint64_t at = at_ + 2 + std::uint64_t(i) * 12;
      if (in_.number(at, 2, big_) == tag) return Entry{in_.number(at + 2, 2, big_), in_.number(at + 4, 4, big_), at + 8};
    }
    return std::nullopt;
  }

  HeaderReader in_;
  bool big_;
  std::uint64_t at_;
  std::uint32_t entries_;
};

std::vector<std::byte> copy_of(std::span<const std::byte> bytes) { return {bytes.begin(), bytes.end()}; }

/// 1 when EXIF is damaged or does not say: a picture is worth more than its notes.
int exif_orientation(HeaderReader in) {
  try {
    if (in.has(0, std::string_view("Exif\0\0", 6))) in = in.part(6, in.size() - 6);
    const std::uint32_t orientation = TiffDirectory(in).value(274, 1);
    return orientation <= 8 ? std::max(1, int(orientation)) : 1;
  } catch (const Error&) {
    return 1;
  }
}

void read_jpeg(const HeaderReader& in, ImageHeader& header) {
  // Real progressive files have some ten scans; one with thousands is made to keep a decoder busy.
  constexpr int kMaxScans = 100;
  int scans = 0, components = 0;
  std::map<int, std::span<const std::byte>> profile;  // its parts by their numbers, from 1
  int profile_parts = 0;
  // Between segments lies the compressed picture, in which 0xFF is followed by 0 or by a restart marker.
  for (std::uint64_t at = 2;;) {
    while (in.u8(at) != 0xFF) ++at;
    while (in.u8(at) == 0xFF) ++at;
    const int marker = in.u8(at++);
    if (marker == 0xD9) break;
    if (marker <= 0x01 || (marker >= 0xD0 && marker <= 0xD8)) continue;
    const std::uint32_t length = in.big(at, 2);
    const bool start_of_frame = marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
    if (start_of_frame && header.width == 0) {
      header.height = in.big(at + 3, 2);
      header.width = in.big(at + 5, 2);
      components = in.u8(at + 7);
    } else if (marker == 0xE1 && in.has(at + 2, "Exif") && length >= 2) {
      header.orientation = exif_orientation(in.part(at + 2, length - 2));
    } else if (marker == 0xE2 && in.has(at + 2, std::string_view("ICC_PROFILE\0", 12)) && length > 16) {
      profile.emplace(in.u8(at + 14), in.bytes(at + 16, length - 16));
      profile_parts = in.u8(at + 15);
    } else if (marker == 0xDA && ++scans > kMaxScans) {
      in.refused(concat("has more than ", kMaxScans, " scans; save it as a plain JPEG"));
    }
    at += std::max(length, 2u);
  }
  if (scans == 0) in.damaged("it holds no picture data");
  // Of four components (CMYK) OpenCV makes RGB without a profile's help.
  if (int(profile.size()) != profile_parts || components != 3) return;
  for (const auto& [number, part] : profile) header.profile.insert(header.profile.end(), part.begin(), part.end());
}

void read_png(const HeaderReader& in, ImageHeader& header) {
  const auto copy = [&](std::span<const std::byte> part) { header.png.insert(header.png.end(), part.begin(), part.end()); };
  copy(in.bytes(0, 8));
  bool has_profile = false;
  for (std::uint64_t at = 8;;) {
    const std::uint64_t length = in.big(at, 4);
    const auto chunk = in.bytes(at, length + 12);
    const bool first = at == 8;
    if (first != in.has(at + 4, "IHDR")) in.damaged("it does not begin with its header");
    if (first) {
      header.width = in.big(at + 8, 4);
      header.height = in.big(at + 12, 4);
    }
    if (in.has(at + 4, "eXIf")) header.orientation = exif_orientation(in.part(at + 8, length));
    if (in.has(at + 4, "iCCP") && !std::exchange(has_profile, true)) {  // each may inflate to megabytes; there is only one
      header.profile = inflate_png_profile(in.bytes(at + 8, length));
    }
    // Chunks with a capital first letter make the picture, with tRNS. The others (texts, times) can hold decompression
    // bombs of their own, and libpng prints about harmless faults in them.
    if ((in.u8(at + 4) & 0x20) == 0 || in.has(at + 4, "tRNS")) {
      const auto summed = in.bytes(at + 4, length + 4);
      if (crc32_z(0, reinterpret_cast<const Bytef*>(summed.data()), summed.size()) != in.big(at + 8 + length, 4)) {
        in.damaged(concat("the check sum of its chunk at byte ", at, " is wrong"));
      }
      copy(chunk);
    }
    if (in.has(at + 4, "IEND")) return;
    at += length + 12;
  }
}

void read_webp(const HeaderReader& file, ImageHeader& header) {
  const HeaderReader in = file.part(0, std::uint64_t(file.little(4, 4)) + 8);
  bool extended = false;
  for (std::uint64_t at = 12; at < in.size();) {
    const std::uint64_t length = in.little(at + 4, 4);
    const HeaderReader data = in.part(at + 8, length);
    if (in.has(at, "VP8X")) {
      if (data.u8(0) & 2) in.refused("is an animation; a still picture is needed");
      header.width = data.little(4, 3) + 1;
      header.height = data.little(7, 3) + 1;
      extended = true;
    } else if (in.has(at, "VP8 ") && !extended) {
      header.width = data.little(6, 2) & 0x3FFF;
      header.height = data.little(8, 2) & 0x3FFF;
    } else if (in.has(at, "VP8L") && !extended) {
      const std::uint32_t sizes = data.little(1, 4);
      header.width = (sizes & 0x3FFF) + 1;
      header.height = (sizes >> 14 & 0x3FFF) + 1;
    } else if (in.has(at, "EXIF")) {
      header.orientation = exif_orientation(data);
    } else if (in.has(at, "ICCP")) {
      header.profile = copy_of(data.bytes(0, length));
    }
    at += 8 + length + length % 2;
  }
}

void read_bmp(const HeaderReader& in, ImageHeader& header, const ImageLimits& limits) {
  const std::uint64_t pixels_at = in.little(10, 4);
  const bool core = in.little(14, 4) == 12;  // OS/2's, with 16-bit sizes
  header.width = core ? in.little(18, 2) : std::int32_t(in.little(18, 4));
  header.height =
      core ? in.little(20, 2) : std::abs(std::int64_t(std::int32_t(in.little(22, 4))));  // negative: top row first
  const std::uint64_t bits = in.little(core ? 24 : 28, 2);
  const std::uint32_t compression = core ? 0 : in.little(30, 4);
  if (compression != 0 && compression != 3) in.refused("is compressed, which BMP seldom is; save it as PNG");
  if (bits > 32) in.damaged(concat("it has ", bits, " bits a pixel"));
  check_size(in, "size", header.width, header.height, limits);  // first: the product below is then small
  in.bytes(pixels_at, (std::uint64_t(header.width) * bits + 31) / 32 * 4 * std::uint64_t(header.height));
}

void read_tiff(const HeaderReader& in, ImageHeader& header, const ImageLimits& limits) {
  const TiffDirectory tags(in);
  header.width = tags.value(256, 0);
  header.height = tags.value(257, 0);
  // OpenCV takes memory for a whole tile, however small the picture.
  const bool tiled = !tags.values(322).empty();
  if (tiled) check_size(in, "tile size", tags.value(322, 0), tags.value(323, 0), limits);
  header.profile = copy_of(tags.bytes(34675));
  const std::uint32_t samples = tags.value(277, 1);
  if (samples > 4) in.refused(concat("has ", samples, " values a pixel; at most 4 are taken. Save it as PNG"));
  const auto offsets = tags.values(tiled ? 324 : 273), counts = tags.values(tiled ? 325 : 279);
  for (std::size_t i = 0; i < std::min(offsets.size(), counts.size()); ++i) in.bytes(offsets[i], counts[i]);
}

}  // namespace

ImageHeader read_image_header(std::span<const std::byte> bytes, const std::string& name, const ImageLimits& limits) {
  const FileType type = file_type(bytes);
  ImageHeader header;
  header.kind = type.kind;
  const HeaderReader in(bytes, name, type.noun());
  switch (type.kind) {
    case FileKind::kJpeg: read_jpeg(in, header); break;
    case FileKind::kPng: read_png(in, header); break;
    case FileKind::kWebp: read_webp(in, header); break;
    case FileKind::kTiff: read_tiff(in, header, limits); break;
    case FileKind::kBmp: read_bmp(in, header, limits); break;
    default:
      fail(ErrorKind::kInput, name, ": is ", type.name,
           "; JPEG, PNG, WebP, HEIC, AVIF, JPEG XL, TIFF and BMP pictures can be read. Convert it to PNG first");
  }
  check_size(in, "size", header.width, header.height, limits);
  return header;
}

}  // namespace emo
