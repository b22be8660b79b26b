#include "engine/installation.h"

#include <dlfcn.h>
#include <link.h>

#include <array>

#include "base/error.h"
#include "base/version.h"

namespace emo {

const std::filesystem::path& library_path() {
  static const std::filesystem::path path = [] {
    std::filesystem::path file = "/proc/self/exe";
    Dl_info info;
    link_map* map = nullptr;
    void* here = reinterpret_cast<void*>(&default_weights);
    // The program itself has no name here, and argv[0] for its file.
    if (::dladdr1(here, &info, reinterpret_cast<void**>(&map), RTLD_DL_LINKMAP) && map->l_name[0]) file = map->l_name;
    std::error_code ignored;
    return std::filesystem::canonical(file, ignored);
  }();
  return path;
}

namespace {

/// The two places where a weight file may be: from bin/ and lib/ one folder up, from lib/x86_64-linux-gnu/ two.
std::array<std::filesystem::path, 2> places_of_weights(const std::string& name) {
  const auto folder = library_path().parent_path().parent_path();
  return {folder / "share/emoengine/weights" / name, folder.parent_path() / "share/emoengine/weights" / name};
}

}  // namespace

std::optional<std::filesystem::path> installed_weights(const std::string& name) {
  for (const auto& place : places_of_weights(name)) {
    std::error_code ignored;
    if (std::filesystem::exists(place, ignored)) return place;
  }
  return std::nullopt;
}

std::filesystem::path default_weights(const std::string& name) {
  if (const auto found = installed_weights(name)) return *found;
  const auto [near, far] = places_of_weights(name);
  fail(ErrorKind::kModel, "weights: ", name, " is neither at ", near.string(), " nor at ", far.string(),
       "; install the models there, or name a weight file");
}

std::filesystem::path plugin_path(const std::string& name) {
  const auto folder = library_path().parent_path();
  const auto beside_library = folder / "emoengine" / name;
  std::error_code ignored;
  if (std::filesystem::exists(beside_library, ignored)) return beside_library;
  return folder.parent_path() / EMO_LIBDIR "/emoengine" / name;  // beside a program's bin/
}

void* open_plugin(const std::filesystem::path& file, const char* factory, const std::string& subject,
                  const std::string& advice) {
  void* library = ::dlopen(file.c_str(), RTLD_LAZY | RTLD_LOCAL);
  if (!library) fail(ErrorKind::kDevice, subject, " cannot be loaded (", ::dlerror(), "). ", advice);
  const auto version_of = reinterpret_cast<const char* (*)()>(::dlsym(library, "emo_plugin_version"));
  const std::string theirs = version_of ? version_of() : "unknown";
  void* function = ::dlsym(library, factory);
  if (theirs != version() || !function) {
    ::dlclose(library);
    fail(ErrorKind::kDevice, subject, " cannot be used: ", file.string(), " is of version ", theirs, ", and emoengine of ",
         version(), "; install both from the same release");
  }
  return function;
}

}  // namespace emo
