#include "engine/installation.h"
#include "engine/media/media.h"
#include "engine/media/video.h"

namespace emo {
namespace {

/// The object that a plug-in's factory gives.
template <typename Interface>
const Interface& open(const char* plugin, const char* factory, const char* subject, const char* advice) {
  return *reinterpret_cast<const Interface* (*)()>(open_plugin(plugin_path(plugin), factory, subject, advice))();
}

}  // namespace

const Media& media() {
  static const Media& library =
      open<Media>("libemo_media.so", "emo_media_v1", "media: the plug-in for pictures and sounds",
                  "Install libemoengine-media0; or install libopencv-dev, libdlib-dev, libsndfile1-dev, libsoxr-dev, "
                  "liblcms2-dev and zlib1g-dev, configure with -DEMO_MEDIA=ON and build");
  return library;
}

const Video& video() {
  static const Video& library =
      open<Video>("libemo_video.so", "emo_video_v1", "media: the plug-in for videos",
                  "Install libemoengine-media0; or install libavcodec-dev, libavformat-dev, libavfilter-dev and "
                  "libavutil-dev, configure with -DEMO_MEDIA=ON and build");
  return library;
}

std::unique_ptr<AudioSource> open_audio(const std::filesystem::path& path) { return video().sound(path, SoundStart::kOwn); }
std::unique_ptr<AudioSource> open_video_sound(const std::filesystem::path& path) {
  return video().sound(path, SoundStart::kFirstPicture);
}

}  // namespace emo
