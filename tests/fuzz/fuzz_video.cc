// Any bytes are a video whose pictures lie within the limits or an Error(kInput), and nothing else. Seeds: corpus/video.
#include <algorithm>
#include <cstdlib>

#include "base/error.h"
#include "base/memory_file.h"
#include "engine/media/video.h"

extern "C" const emo::Video* emo_video_v2();

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const emo::MemoryFile file(std::as_bytes(std::span(data, size)));
  const emo::ImageLimits limits{.max_megapixels = 0.02, .max_side = 512};  // decoding is what takes the time
  constexpr int kFrames = 20;
  try {
    const auto reader = emo_video_v2()->read(file.path(), limits);
    if (!(reader->fps() > 0) || !(reader->seconds() > 0)) std::abort();
    emo::Image image;
    double time_s = 0;
    for (int i = 0; i < kFrames && reader->read(image, time_s); ++i) {
      const std::size_t pixels = std::size_t(image.width) * std::size_t(image.height);
      const bool fits = pixels > 0 && pixels <= 20'000 && std::max(image.width, image.height) <= limits.max_side;
      if (!fits || image.rgb.size() != pixels * 3 || !(time_s == time_s)) std::abort();
    }
  } catch (const emo::Error& e) {
    if (e.kind() != emo::ErrorKind::kInput) throw;
  }
  return 0;
}
