#include "weights/zip.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "tests/throws.h"

namespace emo {
namespace {

template <typename T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

struct Entry {
  std::string name, data;
  std::uint16_t method = 0, flags = 0;
  std::string local_name = name;
  std::uint32_t packed = std::uint32_t(data.size()), size = std::uint32_t(data.size());
};

/// A zip archive by the book, with an alignment field before each entry's bytes as torch.save writes it.
struct Archive {
  std::string bytes;
  std::size_t directory = 0, end = 0;
  bool zip64;

  explicit Archive(const std::vector<Entry>& entries, bool zip64 = false, const std::string& comment = "") : zip64(zip64) {
    std::vector<std::size_t> headers;
    for (const Entry& e : entries) {
      headers.push_back(bytes.size());
      put<std::uint32_t>(bytes, 0x04034b50);
      bytes.append(22, '\0');
      put(bytes, std::uint16_t(e.local_name.size()));
      put<std::uint16_t>(bytes, 5);
      bytes += e.local_name + std::string("FB\1\0Z", 5) + e.data;
    }
    directory = bytes.size();
    for (std::size_t i = 0; i < entries.size(); ++i) central(entries[i], headers[i]);
    const auto directory_bytes = bytes.size() - directory;
    if (zip64) {
      const std::uint64_t record = bytes.size();
      put<std::uint32_t>(bytes, 0x06064b50);
      bytes.append(20, '\0');
      for (const std::uint64_t v : {entries.size(), entries.size(), directory_bytes, directory}) put(bytes, v);
      put<std::uint32_t>(bytes, 0x07064b50);
      put<std::uint32_t>(bytes, 0);
      put(bytes, record);
      put<std::uint32_t>(bytes, 1);
    }
    end = bytes.size();
    put<std::uint32_t>(bytes, 0x06054b50);
    put<std::uint32_t>(bytes, 0);
    for (int i = 0; i < 2; ++i) put(bytes, zip64 ? std::uint16_t(0xffff) : std::uint16_t(entries.size()));
    put(bytes, zip64 ? 0xffffffff : std::uint32_t(directory_bytes));
    put(bytes, zip64 ? 0xffffffff : std::uint32_t(directory));
    put(bytes, std::uint16_t(comment.size()));
    bytes += comment;
  }

  void central(const Entry& e, std::size_t header) {
    put<std::uint32_t>(bytes, 0x02014b50);
    put<std::uint32_t>(bytes, 0);
    put(bytes, e.flags);
    put(bytes, e.method);
    put<std::uint64_t>(bytes, 0);
    put(bytes, zip64 ? 0xffffffff : e.packed);
    put(bytes, zip64 ? 0xffffffff : e.size);
    put(bytes, std::uint16_t(e.name.size()));
    put<std::uint16_t>(bytes, zip64 ? 28 : 0);
    put<std::uint16_t>(bytes, 0);
    put<std::uint64_t>(bytes, 0);
    put(bytes, zip64 ? 0xffffffff : std::uint32_t(header));
    bytes += e.name;
    if (!zip64) return;
    put<std::uint16_t>(bytes, 1);
    put<std::uint16_t>(bytes, 24);
    for (const std::uint64_t v : {std::uint64_t(e.size), std::uint64_t(e.packed), std::uint64_t(header)}) put(bytes, v);
  }
};

std::map<std::string, std::string> read(const std::string& bytes) {
  std::map<std::string, std::string> entries;
  for (const auto& [name, entry] : read_zip(std::as_bytes(std::span(bytes)), "x.zip")) {
    entries[name] = {reinterpret_cast<const char*>(entry.bytes.data()), entry.bytes.size()};
  }
  return entries;
}

std::string error(const std::string& bytes) {
  return text_of(ErrorKind::kModel, [&] { read(bytes); });
}

std::string damaged(const std::string& how) { return "x.zip: damaged zip archive: " + how + ". Copy or download it again"; }

const std::vector<Entry> kTwo = {{.name = "a/data.pkl", .data = "hello"}, {.name = "a/data/0", .data = ""}};
const std::map<std::string, std::string> kTwoRead = {{"a/data.pkl", "hello"}, {"a/data/0", ""}};

TEST(Zip, ReadsStoredEntries) { EXPECT_EQ(read(Archive(kTwo).bytes), kTwoRead); }
TEST(Zip, ReadsZip64) { EXPECT_EQ(read(Archive(kTwo, true).bytes), kTwoRead); }
TEST(Zip, ReadsPastAComment) { EXPECT_EQ(read(Archive(kTwo, false, "made by hand").bytes), kTwoRead); }
TEST(Zip, AnEmptyArchiveHasNoEntries) { EXPECT_TRUE(read(Archive({}).bytes).empty()); }

TEST(Zip, EveryTruncationIsAnError) {
  for (const bool zip64 : {false, true}) {
    const std::string whole = Archive(kTwo, zip64).bytes;
    for (std::size_t length = 0; length < whole.size(); ++length) {
      EXPECT_TRUE(error(whole.substr(0, length)).starts_with("x.zip: ")) << length;
    }
  }
  EXPECT_EQ(error("PK"), damaged("it has only 2 bytes"));
  EXPECT_EQ(error(Archive(kTwo).bytes.substr(0, 60)), damaged("no end record; the file is truncated"));
}

TEST(Zip, ByteFlipsNeverReachOutsideTheFile) {
  for (const bool zip64 : {false, true}) {
    const std::string whole = Archive(kTwo, zip64).bytes;
    for (std::size_t at = 0; at < whole.size(); ++at) {
      for (const char flip : {'\x01', '\x80', '\xff'}) {
        std::string bytes = whole;
        bytes[at] = char(bytes[at] ^ flip);
        try {
          for (const auto& [name, data] : read(bytes)) EXPECT_LE(data.size(), bytes.size());
        } catch (const Error& e) {
          EXPECT_TRUE(std::string(e.what()).starts_with("x.zip: ")) << e.what();
        }
      }
    }
  }
}

TEST(Zip, CompressedAndEncryptedEntriesAreMarked) {
  const std::string bytes = Archive({{.name = "packed", .data = "x", .method = 8, .size = 5},
                                     {.name = "secret", .data = "x", .flags = 1},
                                     {.name = "plain", .data = "x"}})
                                .bytes;
  const auto entries = read_zip(std::as_bytes(std::span(bytes)), "x.zip");
  EXPECT_FALSE(entries.at("packed").stored);
  EXPECT_FALSE(entries.at("secret").stored);
  EXPECT_TRUE(entries.at("plain").stored);
}

TEST(Zip, HeadersThatContradictEachOtherAreRefused) {
  EXPECT_EQ(error(Archive({{.name = "a", .data = "x", .local_name = "b"}}).bytes),
            damaged("entry 'a' has another name in its own header"));
  EXPECT_EQ(error(Archive({{.name = "a", .data = "xyz", .packed = 2}}).bytes),
            damaged("entry 'a' is stored, yet has 2 bytes for 3"));
  EXPECT_EQ(error(Archive({{.name = "a", .data = "x"}, {.name = "a", .data = "y"}}).bytes),
            damaged("has two entries named 'a'"));
}

TEST(Zip, AnEntryThatReachesIntoTheDirectoryIsRefused) {
  const std::string bytes = Archive({{.name = "a", .data = "xyz", .packed = 4, .size = 4}}).bytes;
  EXPECT_EQ(error(bytes), "x.zip: is truncated: 4 bytes are needed at 36, 3 are there. Copy or download it again");
}

TEST(Zip, DirectoryOffsetsAreChecked) {
  const Archive good(kTwo);
  const auto with = [&](std::size_t at, auto value) {
    std::string bytes = good.bytes;
    std::memcpy(bytes.data() + at, &value, sizeof value);
    return error(bytes);
  };
  const auto size = good.end - good.directory;
  EXPECT_EQ(with(good.end + 16, std::uint32_t(good.directory + 1)),
            damaged(concat("its directory of ", size, " bytes at ", good.directory + 1, " reaches past its end record at ",
                           good.end)));
  EXPECT_EQ(with(good.end + 4, std::uint16_t{1}), damaged("it is one disk of several"));
  EXPECT_EQ(with(good.end + 8, std::uint32_t{0x00010001}),
            damaged("its directory holds more than the 1 entries it announces"));
  EXPECT_EQ(with(good.directory, std::uint32_t{0}), damaged(concat("no directory entry at ", good.directory)));
  EXPECT_EQ(with(good.directory + 42, std::uint32_t{1}), damaged("no header of entry 'a/data.pkl' at 1"));
  EXPECT_EQ(with(good.end + 12, std::uint32_t{0xffffffff}), damaged("the zip64 locator is missing"));
}

TEST(Zip, Zip64OffsetsAreChecked) {
  const Archive good(kTwo, true);
  const auto with = [&](std::size_t at, auto value) {
    std::string bytes = good.bytes;
    std::memcpy(bytes.data() + at, &value, sizeof value);
    return error(bytes);
  };
  const std::size_t record = good.end - 20 - 56;
  EXPECT_EQ(with(good.end - 12, ~std::uint64_t{0}),
            damaged(concat("offset 18446744073709551615 lies past the end of the file, ", good.bytes.size(), " bytes")));
  EXPECT_EQ(with(record, std::uint32_t{0}), damaged("the zip64 end record is missing"));
  EXPECT_EQ(with(record + 24, std::uint64_t{1}), damaged("it is one disk of several"));
  EXPECT_EQ(with(record + 40, ~std::uint64_t{0}),
            damaged(concat("its directory of 18446744073709551615 bytes at ", good.directory,
                           " reaches past its end record at ", record)));
}

}  // namespace
}  // namespace emo
