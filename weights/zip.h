#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>

namespace emo {

/// The entries of a zip archive by name, each a view of `file`: what torch.save writes, where every entry is stored as it
/// is. Zip64 is read. Check sums are not compared: torch.save can be told to leave them out.
/// `name` stands for the path in errors.
///
/// Throws Error(kModel): no end record (a truncated file), several disks, a compressed or encrypted entry, an entry or
/// a directory that reaches outside the file, headers that contradict each other, a name that comes twice.
/// Source: PKWARE APPNOTE 6.3.10, sections 4.3.7 to 4.3.16 and 4.5.3.
std::map<std::string, std::span<const std::byte>> read_zip(std::span<const std::byte> file, const std::string& name);

}  // namespace emo
