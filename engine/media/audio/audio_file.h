#pragma once

#include <filesystem>

#include "engine/media/media.h"

namespace emo {

/// See Media::load_audio.
Clip load_audio(const std::filesystem::path& path, int sample_rate_hz, const AudioLimits& limits);

}  // namespace emo
