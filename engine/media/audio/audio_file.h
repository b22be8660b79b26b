#pragma once

#include <filesystem>

#include "engine/media/media.h"

namespace emo {

/// See Media::load_audio.
Clip load_audio(const std::filesystem::path& path, int sample_rate_hz, const AudioLimits& limits, const OpenAudio& open);

/// See Media::load_video_sound.
Clip load_video_sound(const std::filesystem::path& path, int sample_rate_hz, const AudioLimits& limits,
                      const OpenAudio& open);

}  // namespace emo
