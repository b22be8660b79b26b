#include <algorithm>
#include <cmath>
#include <optional>

#include "engine/media/audio/check_sample.h"
#include "engine/media/video/decoder.h"
#include "engine/media/video/files.h"

namespace emo {
namespace {

using namespace ffmpeg;

/// When the first picture is shown, seconds; the sound is counted from there.
double first_picture_s(const std::filesystem::path& path) {
  Decoder pictures(path, AVMEDIA_TYPE_VIDEO);
  const Frame frame = new_frame();
  return pictures.stream() && pictures.read(frame.get(), 0) ? pictures.time_s(*frame, 0) : 0;
}

}  // namespace

Clip video_sound(const std::filesystem::path& path, const AudioLimits& limits) {
  Clip clip{{}, Video::kSoundRateHz};
  Decoder sound(path, AVMEDIA_TYPE_AUDIO);
  if (!sound.stream()) return clip;
  const double start_s = first_picture_s(path);
  const auto seconds = [&](std::size_t samples) { return double(samples) / Video::kSoundRateHz; };
  std::optional<SoundFilter> filter;
  const Frame frame = new_frame(), out = new_frame();
  const auto refuse = [&](const auto&... why) { sound.refuse(why...); };
  double first_s = 0;
  const auto take = [&] {
    while (filter->pull(out.get())) {
      const auto* samples = reinterpret_cast<const float*>(out->data[0]);
      for (int i = 0; i < out->nb_samples; ++i) {
        check_sample(double(samples[i]), first_s + seconds(clip.pcm.size() + std::size_t(i)), refuse);
      }
      clip.pcm.insert(clip.pcm.end(), samples, samples + out->nb_samples);
    }
    if (first_s + seconds(clip.pcm.size()) > limits.max_seconds) {
      sound.refuse("has sound of more than ", limits.max_seconds, " s. Cut it, or raise `max_seconds`");
    }
  };
  while (sound.read(frame.get(), seconds(clip.pcm.size()))) {
    if (!filter) {
      // Timestamps may be broken: of sound before the pictures no more is decoded than the limit.
      first_s = std::max(sound.time_s(*frame, start_s) - start_s, -limits.max_seconds);
      filter.emplace(*frame, Video::kSoundRateHz);
    } else if (!filter->takes(*frame)) {
      sound.refuse("changes its kind of sound on the way; re-encode it first");
    }
    filter->push(frame.get());
    take();
  }
  if (!filter) return clip;
  filter->push(nullptr);
  take();
  // Silence before the sound, or sound before the pictures.
  const auto shift = std::size_t(std::llround(std::abs(first_s) * Video::kSoundRateHz));
  if (first_s > 0) {
    clip.pcm.insert(clip.pcm.begin(), shift, 0.f);
  } else {
    clip.pcm.erase(clip.pcm.begin(), clip.pcm.begin() + std::ptrdiff_t(std::min(shift, clip.pcm.size())));
  }
  return clip;
}

}  // namespace emo
