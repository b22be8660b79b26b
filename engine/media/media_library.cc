#include "engine/installation.h"
#include "engine/media/media.h"
#include "engine/media/opencv/opencv_modules.h"
#include "engine/media/photo_decoder.h"
#include "engine/media/video.h"

namespace emo {
namespace {

/// The object that a plug-in's factory gives.
template <typename Interface, typename... Arguments>
const Interface& open(const char* plugin, const char* factory, const char* subject, const char* advice,
                      Arguments... arguments) {
  void* const function = open_plugin(plugin_path(plugin), factory, subject, advice);
  return *reinterpret_cast<const Interface* (*)(Arguments...)>(function)(arguments...);
}

}  // namespace

const Media& media() {
  static const Media& library = open<Media>(
      "libemo_media.so", "emo_media_v5", "media: the plug-in for pictures and sounds",
      "Install libemoengine-media0; or install libopencv-dev, libdlib-dev, libjpeg-dev, libpng-dev, libsndfile1-dev, "
      "libsoxr-dev, liblcms2-dev and zlib1g-dev, configure with -DEMO_MEDIA=ON and build",
      &photo_decoder, &opencv_modules);
  return library;
}

const Video& video() {
  static const Video& library =
      open<Video>("libemo_video.so", "emo_video_v2", "media: the plug-in for videos",
                  "Install libemoengine-media0; or install libavcodec-dev, libavformat-dev, libavfilter-dev and "
                  "libavutil-dev, configure with -DEMO_MEDIA=ON and build");
  return library;
}

std::unique_ptr<AudioSource> open_audio(const std::filesystem::path& path) { return video().sound(path, SoundStart::kOwn); }
std::unique_ptr<AudioSource> open_video_sound(const std::filesystem::path& path) {
  return video().sound(path, SoundStart::kFirstPicture);
}

const OpenCvModules& opencv_modules() {
  static const OpenCvModules& library = open<OpenCvModules>(
      "libemo_opencv.so", "emo_opencv_v1", "media: the plug-in for WebP, TIFF and BMP pictures and figures",
      "Install libemoengine-media0; or install libopencv-dev, configure with -DEMO_MEDIA=ON and build; "
      "or save the picture as JPEG or PNG");
  return library;
}

const PhotoDecoder& photo_decoder() {
  static const PhotoDecoder& library =
      open<PhotoDecoder>("libemo_photos.so", "emo_photos_v1", "media: the plug-in for HEIC, AVIF and JPEG XL pictures",
                         "Install libemoengine-media0; or install libheif-dev and libjxl-dev, configure with "
                         "-DEMO_MEDIA=ON and build; or save the picture as JPEG or PNG");
  return library;
}

}  // namespace emo
