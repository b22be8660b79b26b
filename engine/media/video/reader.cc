#include <cmath>
#include <cstring>
#include <optional>

#include "base/file.h"
#include "engine/media/video/ffmpeg.h"
#include "engine/media/video/files.h"

namespace emo {
namespace {

using namespace ffmpeg;

struct CloseInput {
  void operator()(AVFormatContext* c) const { avformat_close_input(&c); }
};

/// The filter that turns a picture upright, from the matrix that telephones write; quarter turns only.
std::string upright(const AVStream& stream) {
  std::size_t size = 0;
  const auto* matrix =
      reinterpret_cast<const std::int32_t*>(av_stream_get_side_data(&stream, AV_PKT_DATA_DISPLAYMATRIX, &size));
  const double turn = matrix && size >= 9 * sizeof(std::int32_t) ? -av_display_rotation_get(matrix) : 0;
  if (std::isnan(turn)) return "";
  switch ((std::lround(turn / 90) % 4 + 4) % 4) {
    case 1: return "transpose=clock,";
    case 2: return "hflip,vflip,";
    case 3: return "transpose=cclock,";
    default: return "";
  }
}

class Reader final : public VideoReader {
 public:
  Reader(const std::filesystem::path& path, const ImageLimits& limits) : file_(path.string()) {
    MappedFile(path, ErrorKind::kInput);  // missing, empty, a folder: in our own words
    AVFormatContext* input = nullptr;
    AVDictionary* settings = nullptr;
    av_dict_set(&settings, "protocol_whitelist", "file", 0);  // a playlist may not reach out
    av_dict_set(&settings, "format_whitelist", "mov,matroska,avi,mpegts,mpeg,ogg,flv,gif", 0);
    const int error = avformat_open_input(&input, ("file:" + file_).c_str(), nullptr, &settings);
    av_dict_free(&settings);
    if (error < 0) refuse("is not a video that can be read; MP4, MOV, WebM, MKV, AVI, TS, Ogg, FLV or GIF is needed");
    input_.reset(input);
    const AVCodec* decoder = nullptr;
    const bool known = avformat_find_stream_info(input, nullptr) >= 0;
    const int index = known ? av_find_best_stream(input, AVMEDIA_TYPE_VIDEO, -1, -1, &decoder, 0) : -1;
    if (index < 0) refuse("holds no pictures that can be decoded");
    stream_ = input->streams[index];
    for (unsigned i = 0; i < input->nb_streams; ++i) {
      if (int(i) != index) input->streams[i]->discard = AVDISCARD_ALL;
    }
    check_size(limits);
    codec_.reset(needed(avcodec_alloc_context3(decoder)));
    codec_->pkt_timebase = stream_->time_base;
    codec_->thread_count = 2;  // frame threads each hold pictures
    if (avcodec_parameters_to_context(codec_.get(), stream_->codecpar) < 0 ||
        avcodec_open2(codec_.get(), decoder, nullptr) < 0) {
      refuse("has pictures of a kind that this FFmpeg cannot decode");
    }
    const AVRational rate = av_guess_frame_rate(input, stream_, nullptr);
    fps_ = rate.num > 0 && rate.den > 0 ? av_q2d(rate) : 25;
    seconds_ = stream_->duration > 0 ? double(stream_->duration) * av_q2d(stream_->time_base)
                                     : double(input->duration) / AV_TIME_BASE;
    if (!(seconds_ > 0)) refuse("does not say how long it lasts; remux it, for example with ffmpeg -i IN -c copy OUT.mkv");
  }

  double fps() const override { return fps_; }
  double seconds() const override { return seconds_; }

  bool read(Image& image, double& time_s) override {
    if (!decode()) return false;
    if (!filter_ || frame_->width != width_ || frame_->height != height_ || frame_->format != format_) {
      if (filter_) refuse("changes its size or kind of picture on the way; re-encode it first");
      width_ = frame_->width, height_ = frame_->height, format_ = frame_->format;
      filter_.emplace(width_, height_, AVPixelFormat(format_), stream_->time_base, upright(*stream_) + "format=rgb24");
    }
    const std::int64_t pts = frame_->best_effort_timestamp;
    const double t = pts == AV_NOPTS_VALUE ? last_s_ + 1 / fps_ : double(pts) * av_q2d(stream_->time_base);
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
  template <typename... Why>
  [[noreturn]] void refuse(const Why&... why) const {
    fail(ErrorKind::kInput, file_, ": ", why...);
  }

  void check_size(const ImageLimits& limits) const {
    const int w = stream_->codecpar->width, h = stream_->codecpar->height;
    if (w < 1 || h < 1) refuse("has pictures without a size");
    if (w > limits.max_side || h > limits.max_side || double(w) * h > limits.max_megapixels * 1e6) {
      refuse("has pictures of ", w, "x", h, " px; at most ", limits.max_side, " px a side and ", limits.max_megapixels,
             " megapixels are taken. Scale it down, or raise --max-image-side or --max-megapixels");
    }
  }

  /// The next picture into frame_; false at the end.
  bool decode() {
    while (true) {
      const int got = avcodec_receive_frame(codec_.get(), frame_.get());
      if (got >= 0) return true;
      if (got == AVERROR_EOF) return false;
      if (got != AVERROR(EAGAIN)) refuse("is damaged after ", last_s_, " s: ", reason(got));
      const int error = av_read_frame(input_.get(), packet_.get());
      if (error < 0 && error != AVERROR_EOF) refuse("is damaged after ", last_s_, " s: ", reason(error));
      if (error >= 0 && packet_->stream_index != stream_->index) {
        av_packet_unref(packet_.get());
        continue;
      }
      const int sent = avcodec_send_packet(codec_.get(), error < 0 ? nullptr : packet_.get());
      av_packet_unref(packet_.get());
      if (sent < 0) refuse("is damaged after ", last_s_, " s: ", reason(sent));
    }
  }

  const std::string file_;
  std::unique_ptr<AVFormatContext, CloseInput> input_;
  AVStream* stream_ = nullptr;  ///< of input_
  Codec codec_;
  Packet packet_ = new_packet();
  Frame frame_ = new_frame();
  std::optional<Filter> filter_;
  int width_ = 0, height_ = 0, format_ = -1;
  double fps_ = 0, seconds_ = 0, last_s_ = 0;
  std::optional<double> first_s_;
};

}  // namespace

std::unique_ptr<VideoReader> read_video(const std::filesystem::path& path, const ImageLimits& limits) {
  return std::make_unique<Reader>(path, limits);
}

}  // namespace emo
