#pragma once

#include <span>
#include <string_view>

namespace emo::serve {

/// A file of tools/emoengine/serve/page/, compiled in by embed.cmake.
struct PageFile {
  std::string_view name;  ///< without a folder
  std::string_view data;
  std::string_view hash;  ///< of the data
};
std::span<const PageFile> page_files();

}  // namespace emo::serve
