#include "weights/zip.h"

#include <algorithm>
#include <cstdint>

#include "base/error.h"
#include "weights/byte_reader.h"

namespace emo {
namespace {

constexpr std::uint32_t kLocalHeader = 0x04034b50, kCentralHeader = 0x02014b50, kEndRecord = 0x06054b50;
constexpr std::uint32_t kZip64End = 0x06064b50, kZip64Locator = 0x07064b50;
constexpr std::size_t kEndRecordBytes = 22, kLocatorBytes = 20, kMaxCommentBytes = 0xffff;
constexpr std::uint16_t kZip64Extra = 1, kEncrypted = 1;
constexpr std::uint32_t kInZip64 = 0xffffffff;  // "the value is in the zip64 field"

struct Directory {
  std::uint64_t entries, size, offset;
};

/// An entry of the directory.
struct Listed {
  std::string name;
  bool stored;
  std::uint64_t packed_size, header;  // `header`: where the entry's own header lies
};

class Reader {
 public:
  Reader(std::span<const std::byte> file, const std::string& name) : file_(file), name_(name) {}

  std::map<std::string, ZipEntry> entries() {
    const Directory directory = find_directory();
    ByteReader in(file_.first(at(directory.offset + directory.size)), name_, directory.offset);
    std::map<std::string, ZipEntry> entries;
    for (std::uint64_t i = 0; i < directory.entries; ++i) {
      const Listed entry = next_entry(in);
      if (!entries.emplace(entry.name, ZipEntry{entry.stored, bytes_of(entry, directory.offset)}).second) {
        bad("has two entries named '", printable(entry.name), "'");
      }
    }
    if (in.remaining() != 0) bad("its directory holds more than the ", directory.entries, " entries it announces");
    return entries;
  }

 private:
  template <typename... Parts>
  [[noreturn]] void bad(const Parts&... parts) const {
    fail(ErrorKind::kModel, name_, ": damaged zip archive: ", parts..., ". Copy or download it again");
  }

  std::size_t at(std::uint64_t offset) const {
    if (offset > file_.size()) bad("offset ", offset, " lies past the end of the file, ", file_.size(), " bytes");
    return std::size_t(offset);
  }

  // The end record closes the file, but for a comment whose length it tells.
  std::size_t find_end_record() const {
    if (file_.size() < kEndRecordBytes) bad("it has only ", file_.size(), " bytes");
    const std::size_t last = file_.size() - kEndRecordBytes;
    for (std::size_t back = 0; back <= std::min(last, kMaxCommentBytes); ++back) {
      ByteReader in(file_, name_, last - back);
      if (in.read<std::uint32_t>() != kEndRecord) continue;
      in.take(kEndRecordBytes - 6);
      if (in.read<std::uint16_t>() == back) return last - back;
    }
    bad("no end record; the file is truncated");
  }

  Directory find_directory() const {
    const std::size_t end = find_end_record();
    ByteReader in(file_, name_, end + 4);
    const auto disk = in.read<std::uint16_t>(), directory_disk = in.read<std::uint16_t>();
    const auto entries_here = in.read<std::uint16_t>(), entries = in.read<std::uint16_t>();
    Directory directory{entries, in.read<std::uint32_t>(), in.read<std::uint32_t>()};
    std::uint64_t limit = end;
    if (entries == 0xffff || directory.size == kInZip64 || directory.offset == kInZip64) {
      directory = zip64_directory(end, limit);
    } else if (disk != 0 || directory_disk != 0 || entries_here != entries) {
      bad("it is one disk of several");
    }
    if (directory.offset > limit || directory.size > limit - directory.offset) {
      bad("its directory of ", directory.size, " bytes at ", directory.offset, " reaches past its end record at ", limit);
    }
    return directory;
  }

  Directory zip64_directory(std::size_t end, std::uint64_t& limit) const {
    if (end < kLocatorBytes) bad("the zip64 locator is missing");
    ByteReader locator(file_, name_, end - kLocatorBytes);
    if (locator.read<std::uint32_t>() != kZip64Locator) bad("the zip64 locator is missing");
    locator.take(4);
    limit = locator.read<std::uint64_t>();
    ByteReader in(file_, name_, at(limit));
    if (in.read<std::uint32_t>() != kZip64End) bad("the zip64 end record is missing");
    in.take(20);  // its own size, versions, disks
    const auto entries_here = in.read<std::uint64_t>(), entries = in.read<std::uint64_t>();
    if (entries_here != entries) bad("it is one disk of several");
    const auto size = in.read<std::uint64_t>();
    return {entries, size, in.read<std::uint64_t>()};
  }

  Listed next_entry(ByteReader& in) const {
    if (in.read<std::uint32_t>() != kCentralHeader) bad("no directory entry at ", in.position() - 4);
    in.take(4);  // versions
    const auto flags = in.read<std::uint16_t>(), method = in.read<std::uint16_t>();
    in.take(8);  // time, date, check sum
    std::uint64_t packed = in.read<std::uint32_t>(), size = in.read<std::uint32_t>();
    const auto name_bytes = in.read<std::uint16_t>(), extra_bytes = in.read<std::uint16_t>();
    const auto comment_bytes = in.read<std::uint16_t>();
    in.take(8);  // disk, attributes
    std::uint64_t header = in.read<std::uint32_t>();
    const std::string name(in.text(name_bytes));
    ByteReader extra(in.take(extra_bytes), name_);
    in.take(comment_bytes);

    while (extra.remaining() >= 4) {
      const auto id = extra.read<std::uint16_t>(), length = extra.read<std::uint16_t>();
      ByteReader field(extra.take(length), name_);
      if (id != kZip64Extra) continue;
      for (std::uint64_t* value : {&size, &packed, &header}) {  // only those that did not fit, in this order
        if (*value == kInZip64) *value = field.read<std::uint64_t>();
      }
    }
    const bool stored = method == 0 && !(flags & kEncrypted);
    if (stored && packed != size) bad("entry '", printable(name), "' is stored, yet has ", packed, " bytes for ", size);
    return {name, stored, packed, header};
  }

  // The local header repeats the name, and only it tells how far the bytes are from it.
  std::span<const std::byte> bytes_of(const Listed& entry, std::uint64_t directory_offset) const {
    ByteReader in(file_.first(std::size_t(directory_offset)), name_, entry.header);
    if (in.read<std::uint32_t>() != kLocalHeader) bad("no header of entry '", printable(entry.name), "' at ", entry.header);
    in.take(22);
    const auto name_bytes = in.read<std::uint16_t>(), extra_bytes = in.read<std::uint16_t>();
    if (in.text(name_bytes) != entry.name) bad("entry '", printable(entry.name), "' has another name in its own header");
    in.take(extra_bytes);
    return in.take(entry.packed_size);
  }

  std::span<const std::byte> file_;
  const std::string& name_;
};

}  // namespace

std::map<std::string, ZipEntry> read_zip(std::span<const std::byte> file, const std::string& name) {
  return Reader(file, name).entries();
}

}  // namespace emo
