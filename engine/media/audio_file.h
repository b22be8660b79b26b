#pragma once

#include <filesystem>
#include <vector>

#include "engine/media/media.h"

namespace emo {

/// See Media::load_audio.
std::vector<Clip> load_audio(const std::filesystem::path& path, const std::vector<int>& sample_rates_hz,
                             const AudioLimits& limits);

}  // namespace emo
