#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

#include "engine/media/video/decoder.h"
#include "engine/media/video/files.h"

namespace emo {
namespace {

using namespace ffmpeg;

/// The filter that turns a picture upright, from the matrix that telephones write: quarter turns, mirrored or not.
std::string upright(const AVStream& stream) {
  std::size_t size = 0;
  const auto* m = reinterpret_cast<const std::int32_t*>(av_stream_get_side_data(&stream, AV_PKT_DATA_DISPLAYMATRIX, &size));
  if (!m || size < 9 * sizeof(std::int32_t)) return "";
  // (x, y) goes to (m[0] x + m[3] y, m[1] x + m[4] y).
  if (std::abs(double(m[1])) > std::abs(double(m[0]))) {
    const char* directions[2][2] = {{"cclock_flip", "clock"}, {"cclock", "clock_flip"}};
    return concat("transpose=", directions[m[1] < 0][m[3] < 0], ",");
  }
  return concat(m[0] < 0 ? "hflip," : "", m[4] < 0 ? "vflip," : "");
}

/// A number of C that a file may hold beyond its enum's values, which C++ must not read as the enum.
template <typename Enum>
int number(const Enum& value) {
  static_assert(sizeof(Enum) == sizeof(int));
  int plain;
  std::memcpy(&plain, &value, sizeof plain);
  return plain;
}

/// The filter that brings what HDR cameras and telephones write (PQ or HLG in BT.2020) to BT.709;
/// empty: nothing needs it, or this FFmpeg lacks zimg.
std::string to_bt709(const AVFrame& frame) {
  const int transfer = number(frame.color_trc);
  const bool pq = transfer == AVCOL_TRC_SMPTE2084, hlg = transfer == AVCOL_TRC_ARIB_STD_B67;
  const bool wide = number(frame.color_primaries) == AVCOL_PRI_BT2020;
  if (!(pq || hlg || wide) || !avfilter_get_by_name("zscale") || !avfilter_get_by_name("tonemap")) return "";
  const std::string in = concat("zscale=primariesin=2020:matrixin=2020_ncl:transferin=", pq    ? "smpte2084"
                                                                                         : hlg ? "arib-std-b67"
                                                                                               : "2020_10");
  if (!pq && !hlg) return in + ":primaries=709:transfer=709:matrix=709,";
  // White is 203 cd/m2 (BT.2408). Mobius leaves what is darker than a third of it alone and rolls off the rest.
  return in +
         ":transfer=linear:npl=203,format=gbrpf32le,zscale=primaries=709,tonemap=mobius:desat=0,"
         "zscale=transfer=709:matrix=709:range=limited,";
}

/// From the first picture's time to the last one's end, by the packets: some files do not say, or count from zero although
/// their pictures begin later. 0 when no packet has a time.
double scanned_seconds(const std::filesystem::path& path, double frame_s) {
  const Decoder video(path, AVMEDIA_TYPE_VIDEO);
  const Packet packet = new_packet();
  std::optional<double> first, end;
  while (av_read_frame(video.file(), packet.get()) >= 0) {
    const std::int64_t time = packet->pts == AV_NOPTS_VALUE ? packet->dts : packet->pts;
    if (packet->stream_index == video.stream()->index && time != AV_NOPTS_VALUE) {
      const double unit = av_q2d(video.stream()->time_base), start_s = double(time) * unit;
      const double length_s = packet->duration > 0 ? double(packet->duration) * unit : frame_s;
      first = std::min(first.value_or(start_s), start_s);
      end = std::max(end.value_or(start_s), start_s + length_s);
    }
    av_packet_unref(packet.get());
  }
  return first ? *end - *first : 0;
}

class Reader final : public VideoReader {
 public:
  Reader(const std::filesystem::path& path, const ImageLimits& limits, int max_side)
      : decoder_(path, AVMEDIA_TYPE_VIDEO, limits), limits_(limits), max_side_(max_side) {
    if (!decoder_.file()) {
      decoder_.refuse("is not a video that can be read; MP4, MOV, WebM, MKV, AVI, TS, Ogg, FLV or GIF is needed");
    }
    const AVStream* stream = decoder_.stream();
    if (!stream) decoder_.refuse("holds no pictures that can be decoded");
    const int width = shown_width(stream->codecpar->width, stream->codecpar->height);
    side_ = std::max(width, stream->codecpar->height);
    const AVRational rate = av_guess_frame_rate(decoder_.file(), decoder_.stream(), nullptr);
    fps_ = rate.num > 0 && rate.den > 0 ? av_q2d(rate) : 25;
    seconds_ = stream->duration > 0 ? double(stream->duration) * av_q2d(stream->time_base)
                                    : double(decoder_.file()->duration) / AV_TIME_BASE;
    const double start_s = stream->start_time == AV_NOPTS_VALUE ? 0 : double(stream->start_time) * av_q2d(stream->time_base);
    if (!(seconds_ > 0) || start_s > 0.1) seconds_ = scanned_seconds(path, 1 / fps_);
    if (!(seconds_ > 0)) decoder_.refuse("does not say how long it lasts, nor when its pictures are shown; re-encode it");
  }

  double fps() const override { return fps_; }
  double seconds() const override { return seconds_; }
  int side() const override { return side_; }

  bool read(Image& image, double& time_s) override {
    if (!decoder_.read(frame_.get(), last_s_)) return false;
    if (!filter_ || frame_->width != width_ || frame_->height != height_ || frame_->format != format_) {
      if (filter_) decoder_.refuse("changes its size or kind of picture on the way; re-encode it first");
      width_ = frame_->width, height_ = frame_->height, format_ = frame_->format;
      const AVStream& stream = *decoder_.stream();
      // The header promises nothing: a frame may be of another size.
      const int shown = shown_width(width_, height_), side = std::max(shown, height_);
      const double share = max_side_ > 0 && side > max_side_ ? double(max_side_) / side : 1;
      const auto scaled = [share](int pixels) { return std::max(1, int(std::lround(pixels * share))); };
      const std::string fit = shown == width_ && share == 1
                                  ? ""
                                  : concat("scale=", scaled(shown), ":", scaled(height_), share < 1 ? ":flags=area," : ",");
      filter_.emplace(width_, height_, AVPixelFormat(format_), stream.time_base,
                      fit + to_bt709(*frame_) + upright(stream) + "format=rgb24");
    }
    const double t = decoder_.time_s(*frame_, last_s_ + 1 / fps_);
    if (!first_s_) first_s_ = t;
    last_s_ = t;
    time_s = t - *first_s_;

    const Frame rgb = new_frame();
    filter_->push(frame_.get());
    EMO_CHECK(filter_->pull(rgb.get()), "video: the filter held a picture back");
    if (image.width != rgb->width || image.height != rgb->height) image = Image(rgb->width, rgb->height);
    for (int y = 0; y < rgb->height; ++y) {
      std::memcpy(image.pixel(0, y), rgb->data[0] + std::ptrdiff_t(y) * rgb->linesize[0], std::size_t(rgb->width) * 3);
    }
    return true;
  }

 private:
  /// The width at which pictures of w x h are shown: some cameras write pixels that are not square.
  /// Refuses the file when the size shown is past the limits.
  int shown_width(int w, int h) {
    if (w < 1 || h < 1) decoder_.refuse("has pictures without a size");
    const AVRational pixel = av_guess_sample_aspect_ratio(decoder_.file(), decoder_.stream(), nullptr);
    if (pixel.num > 0 && pixel.den > 0) w = int(std::clamp(std::round(w * av_q2d(pixel)), 1., 1e6));
    if (std::max(w, h) > limits_.max_side || double(w) * h > limits_.max_megapixels * 1e6) {
      decoder_.refuse("has pictures of ", w, "x", h, " px; at most ", limits_.max_side, " px a side and ",
                      limits_.max_megapixels,
                      " megapixels are taken. Scale it down, or raise `max_side` or `max_megapixels`");
    }
    return w;
  }

  Decoder decoder_;
  const ImageLimits limits_;
  const int max_side_;
  Frame frame_ = new_frame();
  std::optional<Filter> filter_;
  int side_ = 0, width_ = 0, height_ = 0, format_ = -1;
  double fps_ = 0, seconds_ = 0, last_s_ = 0;
  std::optional<double> first_s_;
};

}  // namespace

std::unique_ptr<VideoReader> read_video(const std::filesystem::path& path, const ImageLimits& limits, int max_side) {
  return std::make_unique<Reader>(path, limits, max_side);
}

}  // namespace emo
