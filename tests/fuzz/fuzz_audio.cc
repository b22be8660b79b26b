// Any bytes are a sound within the limits or an Error(kInput), and nothing else. Seeds: corpus/audio. What FFmpeg
// decodes is fuzz_sound's.
#include <cstdlib>

#include "base/error.h"
#include "base/memory_file.h"
#include "engine/media/audio/audio_file.h"

// libvorbis 1.3.7 loses some kB of a damaged header; leaks of ours still count.
extern "C" const char* __lsan_default_suppressions() { return "leak:libvorbis"; }

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const emo::MemoryFile file(std::as_bytes(std::span(data, size)));
  const emo::AudioLimits limits{.max_seconds = 2};
  try {
    const emo::Clip clip = emo::load_audio(file.path(), 16000, limits, [](const auto&) { return nullptr; });
    // A sample of room: the resampler rounds the length up.
    if (clip.pcm.empty() || clip.pcm.size() > std::size_t(limits.max_seconds * 16000) + 1) std::abort();
  } catch (const emo::Error& e) {
    if (e.kind() != emo::ErrorKind::kInput) throw;
  }
  return 0;
}
