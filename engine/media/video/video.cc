#include "engine/media/video.h"

#include "engine/media/video/ffmpeg.h"
#include "engine/media/video/files.h"
#include "engine/plugin.h"

namespace emo {
namespace {

class VideoLibrary final : public Video {
 public:
  VideoLibrary() { av_log_set_level(AV_LOG_QUIET); }  // errors are ours to tell, in one line
  std::unique_ptr<VideoReader> read(const std::filesystem::path& path, const ImageLimits& limits,
                                    int max_side) const override {
    return read_video(path, limits, max_side);
  }
  std::unique_ptr<VideoWriter> write(const std::filesystem::path& path, VideoOptions options) const override {
    return write_video(path, std::move(options));
  }
  VideoKind kind(const std::filesystem::path& path, const std::string& format) const override {
    return video_kind(path, format);
  }
  std::unique_ptr<AudioSource> sound(const std::filesystem::path& path, SoundStart start) const override {
    return video_sound(path, start);
  }
  std::string describe() const override {
    const bool x264 = avcodec_find_encoder_by_name("libx264");
    const std::string version = av_version_info();  // "5.1.9-0+deb12u1"
    return concat("FFmpeg ", version.substr(0, version.find('-')), x264 ? ", H.264 by libx264" : ", no H.264 encoder");
  }
};

}  // namespace
}  // namespace emo

/// What engine/media/media_library.cc looks up.
EMO_PLUGIN const emo::Video* emo_video_v2() {
  static const emo::VideoLibrary library;
  return &library;
}
