#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <system_error>

#include "base/file.h"
#include "base/limits.h"
#include "base/text.h"
#include "engine/media/video/ffmpeg.h"
#include "engine/media/video/files.h"

namespace emo {
namespace {

using namespace ffmpeg;
namespace fs = std::filesystem;

constexpr double kKeyframeEvery_s = 2;  // also an MP4's fragments: what a killed run loses at most

/// How a kind of file is made. What FFmpeg calls things; empty: has none.
struct Format {
  const char* name;       ///< as VideoOptions::format
  const char* extension;  ///< empty: a folder
  const char* muxer;
  const char* muxer_options;
  const char* pictures;         ///< encoder
  const char* picture_options;  ///< its settings
  const char* filter;           ///< from RGB to what it takes
  const char* sound;            ///< encoder
  bool even_sides;
  VideoKind kind;
};
#define EMO_TO_YUV "scale=out_color_matrix=bt709:out_range=tv:flags=bicubic+accurate_rnd,format=yuv420p"
constexpr Format kFormats[] = {
    // zerolatency: no frames held back, so the memory is that of one frame. delay_moov: the sound's start is exact.
    {"mp4",
     ".mp4",
     "mp4",
     "movflags=+frag_keyframe+delay_moov+default_base_moof",
     "libx264",
     "preset=veryfast:tune=zerolatency:crf=18",
     EMO_TO_YUV,
     "aac",
     true,
     {limits::kMaxFps, 1920}},
    {"webm",
     ".webm",
     "webm",
     "",
     "libvpx-vp9",
     "deadline=realtime:cpu-used=7:row-mt=1:lag-in-frames=0:crf=24:b=0",
     EMO_TO_YUV,
     "libopus",
     false,
     {limits::kMaxFps, 1920}},
    // Bayer: the pattern stands still where the picture does.
    {"gif",
     ".gif",
     "gif",
     "",
     "gif",
     "",
     "split[a][b];[a]palettegen=stats_mode=single[p];[b][p]paletteuse=new=1:dither=bayer:bayer_scale=3",
     "",
     false,
     {50, 480}},
    {"png", "", "", "", "png", "", "format=rgb24", "", false, {limits::kMaxFps, 0}},
};
#undef EMO_TO_YUV

const Format& format_of(const fs::path& path, const std::string& name) {
  const std::string extension = lower_extension(path);
  for (const Format& format : kFormats) {
    if (name.empty() ? extension == format.extension : name == format.name) return format;
  }
  fail(ErrorKind::kUsage, "output: ", path.string(), " ends in '", extension,
       "'; .mp4, .webm, .gif or a folder (no extension) is needed");
}

struct Dictionary {
  explicit Dictionary(const char* text) { av_dict_parse_string(&entries, text, "=", ":", 0); }
  ~Dictionary() { av_dict_free(&entries); }
  AVDictionary* entries = nullptr;
};

class Writer final : public VideoWriter {
 public:
  Writer(fs::path path, VideoOptions options)
      : path_(without_slash(std::move(path))), format_(format_of(path_, options.format)), options_(std::move(options)) {
    if (!(options_.fps >= limits::kMinFps && options_.fps <= format_.kind.max_fps)) {
      fail(ErrorKind::kUsage, "`fps`: ", options_.fps, " came; ", limits::kMinFps, " to ", format_.kind.max_fps,
           " is needed for ", format_.name);
    }
    if (*format_.muxer && !options_.sink) path_ = output_path(path_);
    EMO_CHECK(*format_.muxer || !options_.sink, "output: a folder of pictures goes nowhere but to a disk");
    if (path_.empty() || path_ == "." || path_ == "..") {
      fail(ErrorKind::kInput, "output: '", path_.string(), "' is no name for a new folder; give it one");
    }
    part_ = part_of(path_);
    pictures_.codec = new_codec(format_.pictures);
    if (*format_.muxer) {
      open_file();
    } else {
      open_folder();
    }
  }

  ~Writer() override {
    if (state_ == State::kDone) return;
    try {
      if (!keeps_part_) {
        remove_part();
      } else if (state_ == State::kOpen) {
        close();
      }
    } catch (const std::exception&) {  // why it ended is told already
    }
  }

  void add(const Image& image) override {
    if (frames_ == 0) start(image);
    if (image.width != width_ || image.height != height_) {
      fail(ErrorKind::kInput, "output: frame ", frames_ + 1, " is ", image.width, "x", image.height, "; ", width_, "x",
           height_, " as the first is needed");
    }
    const Frame frame = new_frame();
    frame->width = width_, frame->height = height_, frame->format = AV_PIX_FMT_RGB24, frame->pts = frames_;
    frame->color_range = AVCOL_RANGE_JPEG;
    if (av_frame_get_buffer(frame.get(), 0) < 0) throw std::bad_alloc();
    for (int y = 0; y < height_; ++y) {
      std::memcpy(frame->data[0] + std::ptrdiff_t(y) * frame->linesize[0], image.pixel(0, y), std::size_t(width_) * 3);
    }
    ++frames_;
    filter_->push(frame.get());
    encode_filtered();
    encode_sound();
  }

  void finish() override {
    if (frames_ == 0) fail(ErrorKind::kInput, "output: ", path_.string(), ": there was no frame to write");
    close();
    if (options_.sink) {
      state_ = State::kDone;
      return;
    }
    if (*format_.muxer) {  // fsync before rename: after a crash the name must not stand on a file without its contents
      const int fd = ::open(part_.c_str(), O_RDONLY | O_CLOEXEC);
      const bool safe = fd >= 0 && (::fsync(fd) == 0 || errno == EINVAL);
      const int error = AVERROR(errno);
      if (fd >= 0) ::close(fd);
      if (!safe) refuse(error);
    }
    state_ = State::kDone;
    std::error_code error;
    fs::rename(part_, path_, error);
    if (error) {
      fail(ErrorKind::kInput, "output: ", path_.string(), " cannot be put in place: ", error.message(), "; the video is ",
           part_.string());
    }
  }

  void interrupt() override {
    frames_ > 0 ? close() : remove_part();
    state_ = State::kDone;
  }

  const fs::path& part() const override { return part_; }
  std::string remark() const override {
    if (filter_ && (filter_->width() != width_ || filter_->height() != height_)) {
      return concat("edge repeated, ", width_, "x", height_, " became ", filter_->width(), "x", filter_->height());
    }
    return options_.sound.pcm.empty() || *format_.sound ? "" : "without sound";
  }

 private:
  enum class State { kOpen, kClosed, kDone };  ///< closed without being done: an error is on its way
  struct Stream {
    Codec codec;
    AVStream* stream = nullptr;  ///< of muxer_, which owns it
  };
  struct FreeMuxer {
    void operator()(AVFormatContext* m) const {
      close_io(m);
      avformat_free_context(m);
    }
  };
  static int close_io(AVFormatContext* m) {
    if (!(m->flags & AVFMT_FLAG_CUSTOM_IO)) return avio_closep(&m->pb);
    if (m->pb) av_freep(&m->pb->buffer);
    avio_context_free(&m->pb);
    return 0;
  }

  static fs::path without_slash(fs::path path) { return path.has_filename() ? path : path.parent_path(); }

  [[noreturn]] void refuse(int error) {
    if (options_.sink) fail(ErrorKind::kInput, "output: ", path_.string(), " is no longer wanted: ", reason(error));
    std::error_code ignored;
    keeps_part_ = frames_ > 1 && (!muxer_ || (fs::exists(part_, ignored) && fs::file_size(part_, ignored) > 0));
    fail(ErrorKind::kInput, "output: ", path_.string(), " cannot be written: ", reason(error),
         keeps_part_                ? "; what was done stays in " + part_.string()
         : error == AVERROR(ENOSPC) ? "; free some space there, or name another folder"
                                    : ". Check that its folder exists and may be written to");
  }
  void check(int error) {
    if (error < 0) refuse(error);
  }

  Codec new_codec(const char* name) const {
    const AVCodec* encoder = avcodec_find_encoder_by_name(name);
    if (!encoder) {
      fail(ErrorKind::kDevice, "output: ", path_.string(), " needs the encoder ", name,
           ", which this FFmpeg was built without; choose another of .mp4, .webm, .gif and a folder");
    }
    return Codec(needed(avcodec_alloc_context3(encoder)));
  }

  void open_file() {
    AVFormatContext* muxer = nullptr;
    // "file:" keeps a name with a colon in it from being read as a protocol.
    const std::string url = "file:" + part_.string();
    avformat_alloc_output_context2(&muxer, nullptr, format_.muxer, url.c_str());
    muxer_.reset(needed(muxer));
    muxer_->flags |= AVFMT_FLAG_FLUSH_PACKETS;  // what is done is in the file, not in a buffer
    if (options_.sink) return open_sink();
    check(avio_open(&muxer_->pb, url.c_str(), AVIO_FLAG_WRITE));
  }

  void open_sink() {
    constexpr int kBlock = 1 << 16;
    const auto write = [](void* self, std::uint8_t* bytes, int size) {
      const auto& sink = static_cast<const Writer*>(self)->options_.sink;
      return sink({bytes, std::size_t(size)}) ? size : AVERROR(EPIPE);
    };
    auto* buffer = static_cast<unsigned char*>(needed(av_malloc(kBlock)));
    muxer_->pb = avio_alloc_context(buffer, kBlock, 1, this, nullptr, write, nullptr);
    if (!muxer_->pb) av_free(buffer);
    needed(muxer_->pb);
    muxer_->flags |= AVFMT_FLAG_CUSTOM_IO;
  }

  /// In a box of its own, which players pass over.
  /// Source: XMP specification part 3, section 1.2.7.1.
  void write_xmp() {
    constexpr std::uint8_t kXmp[] = {0xBE, 0x7A, 0xCF, 0xCB, 0x97, 0xA9, 0x42, 0xE8,
                                     0x9C, 0x71, 0x99, 0x94, 0x91, 0xE3, 0xAF, 0xAC};
    avio_wb32(muxer_->pb, unsigned(8 + sizeof kXmp + options_.xmp.size()));
    avio_write(muxer_->pb, reinterpret_cast<const unsigned char*>("uuid"), 4);
    avio_write(muxer_->pb, kXmp, int(sizeof kXmp));
    avio_write(muxer_->pb, reinterpret_cast<const unsigned char*>(options_.xmp.data()), int(options_.xmp.size()));
  }

  void open_folder() {
    std::error_code error;
    if (fs::exists(path_, error) && !(fs::is_directory(path_, error) && fs::is_empty(path_, error))) {
      fail(ErrorKind::kInput, "output: ", path_.string(), " exists; name a folder that does not, or an empty one");
    }
    for (fs::directory_iterator it(part_, error), end; !error && it != end; it.increment(error)) {
      const std::string name = it->path().filename().string();
      if (name.size() != 10 || !name.ends_with(".png") || name.find_first_not_of("0123456789") != 6) {
        fail(ErrorKind::kInput, "output: ", part_.string(), " holds ", printable(name),
             ", which is no frame of an older run; move it away first");
      }
    }
    if (fs::is_directory(part_, error)) fs::remove_all(part_, error);
    fs::create_directory(part_, error);
    if (error) refuse(AVERROR(error.value()));
  }

  /// Opens the encoders, now that the size is known.
  void start(const Image& first) {
    width_ = first.width, height_ = first.height;
    const AVRational rate = av_d2q(options_.fps, 1'001'000);
    const int odd_w = format_.even_sides ? width_ % 2 : 0, odd_h = format_.even_sides ? height_ % 2 : 0;
    std::string filter = format_.filter;
    if (odd_w || odd_h) {
      filter = concat("format=gbrp,pad=", width_ + odd_w, ":", height_ + odd_h, ",fillborders=right=", odd_w,
                      ":bottom=", odd_h, ":mode=smear,") +
               filter;
    }
    filter_.emplace(width_, height_, AV_PIX_FMT_RGB24, av_inv_q(rate), filter);

    AVCodecContext& codec = *pictures_.codec;
    codec.width = filter_->width(), codec.height = filter_->height(), codec.pix_fmt = filter_->format();
    codec.time_base = av_inv_q(rate), codec.framerate = rate;
    codec.gop_size = std::max(1, int(std::lround(kKeyframeEvery_s * options_.fps)));
    if (codec.pix_fmt == AV_PIX_FMT_YUV420P) {
      codec.color_range = AVCOL_RANGE_MPEG, codec.colorspace = AVCOL_SPC_BT709;
      codec.color_primaries = AVCOL_PRI_BT709, codec.color_trc = AVCOL_TRC_BT709;
    }
    open(pictures_, format_.picture_options);
    if (*format_.sound && !options_.sound.pcm.empty()) {
      sound_.codec = new_codec(format_.sound);
      AVCodecContext& sound = *sound_.codec;
      av_channel_layout_default(&sound.ch_layout, 1);
      sound.sample_rate = options_.sound.sample_rate_hz, sound.time_base = {1, sound.sample_rate};
      sound.sample_fmt = sound.codec->id == AV_CODEC_ID_AAC ? AV_SAMPLE_FMT_FLTP : AV_SAMPLE_FMT_FLT;  // the same: mono
      sound.bit_rate = 96'000;
      open(sound_, "");
    }
    if (!muxer_) return;
    Dictionary settings(format_.muxer_options);
    check(avformat_write_header(muxer_.get(), &settings.entries));
    EMO_CHECK(av_dict_count(settings.entries) == 0, "output: a setting of ", format_.muxer, " is not known to FFmpeg");
    if (!options_.xmp.empty() && format_.muxer == std::string_view("mp4")) write_xmp();
  }

  void open(Stream& stream, const char* options) {
    AVCodecContext* codec = stream.codec.get();
    if (muxer_ && muxer_->oformat->flags & AVFMT_GLOBALHEADER) codec->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    Dictionary settings(options);
    const int error = avcodec_open2(codec, codec->codec, &settings.entries);
    if (error < 0) {
      fail(ErrorKind::kInput, "output: ", path_.string(), ": ", codec->codec->name, " cannot be opened for ", width_, "x",
           height_, " at ", options_.fps, " frames/s: ", reason(error), "; use a smaller picture or another format");
    }
    EMO_CHECK(av_dict_count(settings.entries) == 0, "output: a setting of ", codec->codec->name, " is not known to FFmpeg");
    if (!muxer_) return;
    stream.stream = needed(avformat_new_stream(muxer_.get(), nullptr));
    stream.stream->time_base = codec->time_base;
    stream.stream->avg_frame_rate = codec->framerate;
    if (avcodec_parameters_from_context(stream.stream->codecpar, codec) < 0) throw std::bad_alloc();
  }

  void encode_filtered() {
    const Frame frame = new_frame();
    while (filter_->pull(frame.get())) {
      frame->pict_type = AV_PICTURE_TYPE_NONE;
      encode(pictures_, frame.get());
    }
  }

  /// Encodes the sound up to the end of the last frame; what is less than an encoder's block waits.
  void encode_sound(bool all = false) {
    if (!sound_.codec) return;
    const auto& pcm = options_.sound.pcm;
    const auto end =
        std::min(pcm.size(), std::size_t(std::llround(double(frames_) / options_.fps * options_.sound.sample_rate_hz)));
    const auto block = std::size_t(sound_.codec->frame_size);
    while (sound_at_ < end && (all || sound_at_ + block <= end)) {
      const std::size_t count = std::min(block, end - sound_at_);
      const Frame frame = new_frame();
      frame->nb_samples = int(count), frame->format = sound_.codec->sample_fmt, frame->pts = std::int64_t(sound_at_);
      frame->sample_rate = sound_.codec->sample_rate;
      if (av_channel_layout_copy(&frame->ch_layout, &sound_.codec->ch_layout) < 0) throw std::bad_alloc();
      if (av_frame_get_buffer(frame.get(), 0) < 0) throw std::bad_alloc();
      std::memcpy(frame->data[0], pcm.data() + sound_at_, count * sizeof(float));
      encode(sound_, frame.get());
      sound_at_ += count;
    }
  }

  /// Null: gives out what the encoder holds back.
  void encode(Stream& stream, AVFrame* frame) {
    check(avcodec_send_frame(stream.codec.get(), frame));
    const Packet packet = new_packet();
    while (true) {
      const int error = avcodec_receive_packet(stream.codec.get(), packet.get());
      if (error == AVERROR(EAGAIN) || error == AVERROR_EOF) return;
      check(error);
      write(stream, *packet);
    }
  }

  void write(const Stream& stream, AVPacket& packet) {
    if (!muxer_) {
      char name[32];
      std::snprintf(name, sizeof name, "%06lld.png", static_cast<long long>(packet.pts + 1));
      OutputFile out(part_ / name);
      out.write(std::as_bytes(std::span(packet.data, std::size_t(packet.size))));
      return out.commit();
    }
    av_packet_rescale_ts(&packet, stream.codec->time_base, stream.stream->time_base);
    packet.stream_index = stream.stream->index;
    check(av_interleaved_write_frame(muxer_.get(), &packet));
    check(muxer_->pb->error);
  }

  void remove_part() {
    state_ = State::kClosed;
    if (muxer_) close_io(muxer_.get());
    if (options_.sink) return;
    std::error_code ignored;
    fs::remove_all(part_, ignored);
  }

  /// Writes what is held back and the end of the container.
  void close() {
    state_ = State::kClosed;
    filter_->push(nullptr);
    encode_filtered();
    encode(pictures_, nullptr);
    encode_sound(true);
    if (sound_.codec) encode(sound_, nullptr);
    if (!muxer_) return;
    check(av_write_trailer(muxer_.get()));
    check(muxer_->pb->error);
    check(close_io(muxer_.get()));
  }

  fs::path path_, part_;
  const Format& format_;
  const VideoOptions options_;
  State state_ = State::kOpen;
  bool keeps_part_ = false;  ///< after an error
  int width_ = 0, height_ = 0;
  std::int64_t frames_ = 0;
  std::size_t sound_at_ = 0;
  std::unique_ptr<AVFormatContext, FreeMuxer> muxer_;  ///< null: a folder
  std::optional<Filter> filter_;
  Stream pictures_, sound_;
};

}  // namespace

VideoKind video_kind(const fs::path& path, const std::string& format) { return format_of(path, format).kind; }

std::unique_ptr<VideoWriter> write_video(const fs::path& path, VideoOptions options) {
  return std::make_unique<Writer>(path, std::move(options));
}

}  // namespace emo
