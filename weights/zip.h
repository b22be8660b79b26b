#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>

namespace emo {

struct ZipEntry {
  bool stored;                       ///< as it is; false: compressed or encrypted, and `bytes` are not its contents
  std::span<const std::byte> bytes;  ///< a view of the file
};

/// The entries of a zip archive by name. Made for what torch.save writes: zip64 is read, nothing is unpacked, and check
/// sums are not compared, for torch.save can be told to leave them out. `name` stands for the path in errors.
///
/// Throws Error(kModel): no end record (a truncated file), several disks, an entry or a directory that reaches outside
/// the file, headers that contradict each other, a name that comes twice.
/// Source: PKWARE APPNOTE 6.3.10, sections 4.3.7 to 4.3.16 and 4.5.3.
std::map<std::string, ZipEntry> read_zip(std::span<const std::byte> file, const std::string& name);

}  // namespace emo
