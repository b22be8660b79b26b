#include <dlfcn.h>

#include "base/error.h"
#include "engine/media/media.h"
#include "engine/media/video.h"

namespace emo {
namespace {

/// The object that a library's factory gives. Never closed: it would have to outlive every static destructor of the
/// libraries below it.
template <typename Interface>
const Interface& open_library(const char* name, const char* factory_name, const char* what, const char* packages) {
  void* library = ::dlopen(name, RTLD_LAZY | RTLD_LOCAL);
  void* factory = library ? ::dlsym(library, factory_name) : nullptr;
  if (!factory) {
    fail(ErrorKind::kDevice, "media: ", what, " need ", name, ", which cannot be loaded (", ::dlerror(),
         "). Where it is built, name its folder in LD_LIBRARY_PATH; else install ", packages,
         ", then configure with -DEMO_MEDIA=ON and build");
  }
  return *reinterpret_cast<const Interface* (*)()>(factory)();
}

}  // namespace

const Media& media() {
  static const Media& library =
      open_library<Media>("libemo_media.so", "emo_media", "pictures and sounds",
                          "libopencv-dev, libdlib-dev, libsndfile1-dev, libsoxr-dev, liblcms2-dev and zlib1g-dev");
  return library;
}

const Video& video() {
  static const Video& library = open_library<Video>("libemo_video.so", "emo_video", "videos",
                                                    "libavcodec-dev, libavformat-dev, libavfilter-dev and libavutil-dev");
  return library;
}

}  // namespace emo
