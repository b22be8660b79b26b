#include "base/npy.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/file.h"
#include "base/limits.h"

namespace emo {
namespace {

static_assert(std::endian::native == std::endian::little, "files are little-endian and are read as they lie");

constexpr std::string_view kMagic("\x93NUMPY", 6);

/// The text after `key` in the header's Python dictionary, up to the end of the header.
std::string_view after(std::string_view header, std::string_view key) {
  const auto at = header.find(key);
  if (at == std::string_view::npos) return {};
  auto rest = header.substr(at + key.size());
  while (!rest.empty() && (rest[0] == ' ' || rest[0] == ':')) rest.remove_prefix(1);
  return rest;
}

}  // namespace

void write_npy(const std::filesystem::path& path, std::span<const std::int64_t> shape, std::span<const float> values) {
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (";
  std::size_t count = 1;
  for (const auto extent : shape) {
    header += std::to_string(extent) + ",";
    count *= std::size_t(extent);
  }
  EMO_CHECK(count == values.size(), "npy: ", values.size(), " values for a shape of ", count);
  header += "), }";
  const std::size_t prefix = kMagic.size() + 4;
  header.append(63 - (prefix + header.size()) % 64, ' ');  // the data starts at a multiple of 64 bytes
  header += '\n';

  OutputFile out(path);
  const auto length = std::uint16_t(header.size());
  out.write(std::string(kMagic) + '\1' + '\0' + char(length & 0xff) + char(length >> 8) + header);
  out.write(std::as_bytes(values));
  out.commit();
}

NpyArray read_npy(const std::filesystem::path& path) {
  const MappedFile file(path, ErrorKind::kInput);
  const std::string_view bytes(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  const auto refuse = [&](const auto&... why) { fail(ErrorKind::kInput, path.string(), ": ", why...); };

  if (bytes.size() < 12 || !bytes.starts_with(kMagic)) refuse("is no .npy file; a file written by numpy.save is needed");
  const int version = bytes[6];
  std::uint32_t length = 0;
  const std::size_t prefix = version == 1 ? 10 : 12;
  if (version < 1 || version > 3) refuse("has .npy version ", version, "; 1 to 3 are read");
  std::memcpy(&length, bytes.data() + 8, prefix - 8);
  if (length > bytes.size() - prefix) refuse("is cut off in its header; write it again");

  const auto header = bytes.substr(prefix, length);
  const auto type = after(header, "'descr'").substr(0, 5);
  if (type != "'<f4'" && type != "'<f8'") refuse("holds values of type ", type, "; '<f4' or '<f8' is needed");
  if (!after(header, "'fortran_order'").starts_with("False")) refuse("is in Fortran order; save a C-ordered array");

  NpyArray array;
  auto extents = after(header, "'shape'");
  if (!extents.starts_with('(')) refuse("has no shape in its header; write it again");
  extents = extents.substr(1, extents.find(')') - 1);
  std::size_t count = 1;
  while (!extents.empty()) {
    std::int64_t extent = 0;
    const auto [end, error] = std::from_chars(extents.data(), extents.data() + extents.size(), extent);
    std::size_t product = 0;
    if (error != std::errc() || extent < 0 || __builtin_mul_overflow(count, std::size_t(extent), &product) ||
        array.shape.size() == std::size_t(limits::kMaxRank)) {
      refuse("has a shape that cannot be read: (", extents, ")");
    }
    count = product;
    array.shape.push_back(extent);
    extents.remove_prefix(std::size_t(end - extents.data()));
    while (!extents.empty() && (extents[0] == ',' || extents[0] == ' ')) extents.remove_prefix(1);
  }

  const auto data = bytes.substr(prefix + length);
  const std::size_t size = type == "'<f4'" ? 4 : 8;
  if (data.size() / size != count || data.size() % size != 0) {
    refuse("holds ", data.size(), " bytes of data; its shape needs ", count, " values of ", size, " bytes");
  }
  array.values.resize(count);
  if (size == 4) {
    std::copy_n(data.data(), data.size(), reinterpret_cast<char*>(array.values.data()));
  } else {
    for (std::size_t i = 0; i < count; ++i) {
      double value;
      std::memcpy(&value, data.data() + 8 * i, 8);
      array.values[i] = float(value);
    }
  }
  return array;
}

}  // namespace emo
