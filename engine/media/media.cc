#include "engine/media/media.h"

#include <dlib/revision.h>
#include <sndfile.h>
#include <soxr.h>

#include <opencv2/core.hpp>
#include <opencv2/core/utils/logger.hpp>
#include <string>

#include "base/error.h"
#include "engine/media/audio/audio_file.h"
#include "engine/media/audio/resampler.h"
#include "engine/media/faces/faces.h"
#include "engine/media/image/codec.h"
#include "engine/media/image/image_file.h"
#include "engine/plugin.h"

namespace emo {
namespace {

class MediaLibrary final : public Media {
 public:
  MediaLibrary(const PhotoDecoder& (*newer)(), OpenModules modules) : newer_(newer), modules_(modules) {
    cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);  // errors are ours to tell, in one line
    cv::setNumThreads(1);  // nothing here is large enough for OpenCV's own threads
  }
  Image load_image(const std::filesystem::path& path, const ImageLimits& limits) const override {
    return emo::load_image(path, limits, newer_, modules_);
  }
  std::vector<std::uint8_t> encode_image(const std::filesystem::path& name, const Image& image) const override {
    return emo::encode_image(name, image, modules_);
  }
  void save_image(const std::filesystem::path& path, const Image& image) const override {
    emo::save_image(path, image, modules_);
  }
  Image draw_table(const PictureTable& table) const override { return modules_().draw_table(table); }
  std::vector<Box> find_faces(const Image& image, std::string* tried, const FaceSearch& search) const override {
    return emo::find_faces(image, tried, search);
  }
  Clip load_audio(const std::filesystem::path& path, int sample_rate_hz, const AudioLimits& limits,
                  const OpenAudio& open) const override {
    return emo::load_audio(path, sample_rate_hz, limits, open);
  }
  Clip load_video_sound(const std::filesystem::path& path, int sample_rate_hz, const AudioLimits& limits,
                        const OpenAudio& open) const override {
    return emo::load_video_sound(path, sample_rate_hz, limits, open);
  }
  void set_codec(const PictureCodec& codec) const override { emo::set_codec(codec); }
  std::unique_ptr<Resampler> resampler(int from_hz, int to_hz) const override {
    for (const int rate : {from_hz, to_hz}) {
      if (rate >= limits::kMinSampleRateHz && rate <= limits::kMaxSampleRateHz) continue;
      fail(ErrorKind::kUsage, "`rate`: ", rate, " Hz came; ", limits::kMinSampleRateHz, " to ", limits::kMaxSampleRateHz,
           " Hz are taken");
    }
    return std::make_unique<SoxrResampler>(from_hz, to_hz);
  }
  std::string describe() const override {
    // The two sound libraries say "libsndfile-1.2.0" and "libsoxr-0.1.3".
    const auto number = [](std::string text) { return text.substr(text.find('-') + 1); };
    return concat("OpenCV ", cv::getVersionString(), ", dlib ", DLIB_MAJOR_VERSION, ".", DLIB_MINOR_VERSION, ".",
                  DLIB_PATCH_VERSION, ", libsndfile ", number(sf_version_string()), ", soxr ", number(soxr_version()));
  }

 private:
  const PhotoDecoder& (*newer_)();
  const OpenModules modules_;
};

}  // namespace
}  // namespace emo

/// What engine/media/media_library.cc looks up.
EMO_PLUGIN const emo::Media* emo_media_v5(const emo::PhotoDecoder& (*newer)(), emo::OpenModules modules) {
  static const emo::MediaLibrary library(newer, modules);
  return &library;
}
