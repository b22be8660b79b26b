#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <exception>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/memory_file.h"
#include "emoengine.h"

/// What every function of the C interface does with its arguments and its errors.
namespace emo::c_api {

/// Which status an exception is, and its sentence, cut to `size` with the 0 at its end.
emo_status describe(const std::exception_ptr& error, char* text, std::size_t size) noexcept;
/// The same into this thread's emo_error().
emo_status keep(const std::exception_ptr& error) noexcept;

/// Does the work of a function that can fail.
template <typename Work>
emo_status guard(const Work& work) noexcept {
  try {
    work();
    return EMO_OK;
  } catch (...) {
    return keep(std::current_exception());
  }
}

/// The same for a function that gives a pointer; null when it fails.
template <typename Result, typename Work>
Result guarded(Result otherwise, const Work& work) noexcept {
  Result result = otherwise;
  guard([&] { result = work(); });
  return result;
}

template <typename... Parts>
[[noreturn]] void refuse(const Parts&... parts) {
  fail(ErrorKind::kUsage, parts...);
}

template <typename T>
T& needed(T* pointer, const char* name) {
  if (!pointer) refuse("`", name, "`: NULL came; it is needed");
  return *pointer;
}

/// Where a handle goes, NULL until there is one.
template <typename Handle>
Handle*& handle_out(Handle** out, const char* name) {
  return needed(out, name) = nullptr;
}

/// The caller's struct with what it has no room for at 0. Throws when it is smaller than that of the first release, and when
/// a newer header's fields, which are not known here, are in use. `name` as in the header.
template <typename T>
T known(const T* given, const char* name, std::size_t first_release) {
  constexpr std::uint32_t kMost = 1 << 16;  // who forgets to set size leaves anything in it
  const std::uint32_t size = needed(given, name).size;
  if (size < first_release || size > kMost || size % alignof(T) != 0) {
    refuse("`", name, ".size`: ", size, " came; sizeof(", name, ") is needed, ", sizeof(T), " in version ", emo_version());
  }
  const auto* bytes = reinterpret_cast<const char*>(given);
  if (size > sizeof(T) && std::any_of(bytes + sizeof(T), bytes + size, [](char byte) { return byte != 0; })) {
    refuse("`", name, ".size`: ", size, " came, and version ", emo_version(), " of the library knows the first ", sizeof(T),
           " bytes alone; leave newer fields 0, or install the library that belongs to the header");
  }
  T copy{};
  std::memcpy(&copy, given, std::min<std::size_t>(size, sizeof(T)));
  return copy;
}

/// The file that a source names, or one with its bytes.
class SourceFile {
 public:
  /// `name` as in the header.
  SourceFile(const emo_source& source, const char* name);
  const std::filesystem::path& path() const { return path_; }
  /// Runs what reads the file; in an error's text bytes are called by the source's name.
  template <typename Read>
  auto read(const Read& work) const {
    try {
      return work(path_);
    } catch (const Error& e) {
      throw renamed(e);
    }
  }

 private:
  Error renamed(const Error& error) const;

  const char* name_;
  std::unique_ptr<const MemoryFile> memory_;
  std::filesystem::path path_;
};

}  // namespace emo::c_api
