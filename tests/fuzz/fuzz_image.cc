// Any bytes are a picture within the limits or an Error(kInput), and nothing else. Seeds: corpus/image.
#include <algorithm>
#include <cstdlib>

#include "base/error.h"
#include "base/memory_file.h"
#include "engine/media/image/image_file.h"

// The plug-ins' factories.
extern "C" const emo::PhotoDecoder* emo_photos_v1();
extern "C" const emo::OpenCvModules* emo_opencv_v1();

/// libheif 1.15 loses 40 bytes of dav1d's where an AVIF holds an empty picture. All other leaks count.
extern "C" const char* __lsan_default_suppressions() { return "leak:libdav1d.so\n"; }

namespace {

const emo::PhotoDecoder& newer() { return *emo_photos_v1(); }
const emo::OpenCvModules& modules() { return *emo_opencv_v1(); }

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const emo::MemoryFile file(std::as_bytes(std::span(data, size)));
  // Small: the sizes that a header may claim are what takes the time, and nothing else depends on them.
  const emo::ImageLimits limits{.max_megapixels = 0.25, .max_side = 2048};
  try {
    const emo::Image image = emo::load_image(file.path(), limits, newer, modules);
    const std::size_t pixels = std::size_t(image.width) * std::size_t(image.height);
    const bool whole = image.rgb.size() == pixels * 3 && (image.alpha.empty() || image.alpha.size() == pixels);
    if (pixels == 0 || pixels > 250'000 || std::max(image.width, image.height) > limits.max_side || !whole) std::abort();
  } catch (const emo::Error& e) {
    if (e.kind() != emo::ErrorKind::kInput) throw;
  }
  return 0;
}
