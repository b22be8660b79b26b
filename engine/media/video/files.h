#pragma once

#include <filesystem>
#include <memory>

#include "engine/media/video.h"

namespace emo {

/// What Video's calls of these names do.
std::unique_ptr<VideoReader> read_video(const std::filesystem::path& path, const ImageLimits& limits, int max_side);
std::unique_ptr<VideoWriter> write_video(const std::filesystem::path& path, VideoOptions options);
VideoKind video_kind(const std::filesystem::path& path, const std::string& format);
std::unique_ptr<AudioSource> video_sound(const std::filesystem::path& path, SoundStart start);

}  // namespace emo
