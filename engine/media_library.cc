#include <dlfcn.h>

#include "base/error.h"
#include "engine/media/media.h"

namespace emo {
namespace {

/// Never closed: it would have to outlive every static destructor of the libraries below it.
const Media& open_library() {
  void* library = ::dlopen("libemo_media.so", RTLD_LAZY | RTLD_LOCAL);
  void* factory = library ? ::dlsym(library, "emo_media") : nullptr;
  if (!factory) {
    fail(ErrorKind::kDevice, "media: pictures and sounds need libemo_media.so, which cannot be loaded (", ::dlerror(),
         "). Install libopencv-dev, libdlib-dev, libsndfile1-dev and libsoxr-dev, then configure with -DEMO_MEDIA=ON and "
         "build");
  }
  return *reinterpret_cast<const Media* (*)()>(factory)();
}

}  // namespace

const Media& media() {
  static const Media& library = open_library();
  return library;
}

}  // namespace emo
