#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>
#include <type_traits>
#include <vector>

#include "engine/media/video/decoder.h"
#include "engine/media/video/files.h"

namespace emo {
namespace {

using namespace ffmpeg;

/// When the first picture is shown, seconds; 0 without pictures.
double first_picture_s(const std::filesystem::path& path) {
  Decoder pictures(path, AVMEDIA_TYPE_VIDEO);
  const Frame frame = new_frame();
  return pictures.stream() && pictures.read(frame.get(), 0) ? pictures.time_s(*frame, 0) : 0;
}

/// Interleaves the samples of a frame, integers brought to [-1, 1).
template <typename T>
void interleave(const AVFrame& frame, bool planar, std::vector<float>& out) {
  const auto channels = std::size_t(frame.ch_layout.nb_channels);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::size_t plane = planar ? i % channels : 0, at = planar ? i / channels : i;
    const double x = double(reinterpret_cast<const T*>(frame.extended_data[plane])[at]);
    if constexpr (std::is_floating_point_v<T>) {
      out[i] = float(x);
    } else {
      constexpr double kHalf = double(std::numeric_limits<std::make_signed_t<T>>::max()) + 1;
      out[i] = float((std::is_signed_v<T> ? x : x - kHalf) / kHalf);
    }
  }
}

class Source final : public AudioSource {
 public:
  Source(const std::filesystem::path& path, SoundStart start) : path_(path) {
    if (!restart()) return;
    const AVStream& stream = *decoder_->stream();
    format_ = {frame_->sample_rate, frame_->ch_layout.nb_channels};
    if (start == SoundStart::kFirstPicture) {
      const double zero_s = first_picture_s(path);
      format_.start_s = decoder_->time_s(*frame_, zero_s) - zero_s;
    }
    if (stream.duration <= 0) return;
    format_.seconds = double(stream.duration) * av_q2d(stream.time_base);
    // Of these files the header tells the length, to within what an encoder adds at either end: 0.25 s at 8 kHz.
    if (std::string_view(decoder_->file()->iformat->name).starts_with("mov")) format_.least_s = format_.seconds - 0.3;
  }

  /// Whether there is a sound.
  bool opened() const { return waits_; }
  const AudioFormat& format() const override { return format_; }

  std::span<const float> read() override {
    if (!waits_ && !decoder_->read(frame_.get(), seconds_)) return {};
    waits_ = false;
    if (frame_->sample_rate != format_.sample_rate_hz || frame_->ch_layout.nb_channels != format_.channels) {
      decoder_->refuse("changes its kind of sound on the way; re-encode it first");
    }
    seconds_ += double(frame_->nb_samples) / format_.sample_rate_hz;
    block_.resize(std::size_t(frame_->nb_samples) * std::size_t(format_.channels));
    const auto kind = AVSampleFormat(frame_->format);
    const bool planar = av_sample_fmt_is_planar(kind) != 0;
    switch (av_get_packed_sample_fmt(kind)) {
      case AV_SAMPLE_FMT_U8: interleave<std::uint8_t>(*frame_, planar, block_); break;
      case AV_SAMPLE_FMT_S16: interleave<std::int16_t>(*frame_, planar, block_); break;
      case AV_SAMPLE_FMT_S32: interleave<std::int32_t>(*frame_, planar, block_); break;
      case AV_SAMPLE_FMT_S64: interleave<std::int64_t>(*frame_, planar, block_); break;
      case AV_SAMPLE_FMT_FLT: interleave<float>(*frame_, planar, block_); break;
      case AV_SAMPLE_FMT_DBL: interleave<double>(*frame_, planar, block_); break;
      default: EMO_CHECK(false, "video: samples of format ", int(kind));
    }
    return block_;
  }

  bool restart() override {
    decoder_.emplace(path_, AVMEDIA_TYPE_AUDIO);
    seconds_ = 0;
    return waits_ = decoder_->stream() && decoder_->read(frame_.get(), 0);
  }

 private:
  const std::filesystem::path path_;
  std::optional<Decoder> decoder_;
  AudioFormat format_;
  Frame frame_ = new_frame();
  bool waits_ = false;  ///< the frame has not been given out yet
  double seconds_ = 0;  ///< given out so far
  std::vector<float> block_;
};

}  // namespace

std::unique_ptr<AudioSource> video_sound(const std::filesystem::path& path, SoundStart start) {
  auto source = std::make_unique<Source>(path, start);
  if (!source->opened()) return nullptr;
  return source;
}

}  // namespace emo
