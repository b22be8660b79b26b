#pragma once

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavfilter/avfilter.h>
#include <libavfilter/buffersink.h>
#include <libavfilter/buffersrc.h>
#include <libavformat/avformat.h>
#include <libavutil/display.h>
#include <libavutil/opt.h>
}

#include <memory>
#include <string>

#include "base/error.h"

/// FFmpeg's objects with owners, and its error numbers as Errors.
namespace emo::ffmpeg {

struct Free {
  void operator()(AVPacket* p) const { av_packet_free(&p); }
  void operator()(AVFrame* p) const { av_frame_free(&p); }
  void operator()(AVCodecContext* p) const { avcodec_free_context(&p); }
  void operator()(AVFilterGraph* p) const { avfilter_graph_free(&p); }
};
using Packet = std::unique_ptr<AVPacket, Free>;
using Frame = std::unique_ptr<AVFrame, Free>;
using Codec = std::unique_ptr<AVCodecContext, Free>;

template <typename T>
T* needed(T* allocated) {
  if (!allocated) throw std::bad_alloc();
  return allocated;
}
inline Packet new_packet() { return Packet(needed(av_packet_alloc())); }
inline Frame new_frame() { return Frame(needed(av_frame_alloc())); }

/// "No space left on device"
inline std::string reason(int error) {
  char text[AV_ERROR_MAX_STRING_SIZE];
  return av_make_error_string(text, sizeof text, error);
}

/// Filters of pictures, as the ffmpeg program writes them: "transpose=clock,format=rgb24".
class Filter {
 public:
  /// Pictures of this size and format, one each 1 / fps.
  Filter(int width, int height, AVPixelFormat format, AVRational time_base, const std::string& description) {
    const std::string source = concat("video_size=", width, "x", height, ":pix_fmt=", int(format),
                                      ":time_base=", time_base.num, "/", time_base.den, ":pixel_aspect=1/1");
    graph_.reset(needed(avfilter_graph_alloc()));
    graph_->nb_threads = 1;
    AVFilterInOut *inputs = avfilter_inout_alloc(), *outputs = avfilter_inout_alloc();
    outputs->name = av_strdup("in"), inputs->name = av_strdup("out");
    const auto *from = avfilter_get_by_name("buffer"), *to = avfilter_get_by_name("buffersink");
    int error = avfilter_graph_create_filter(&source_, from, "in", source.c_str(), nullptr, graph_.get());
    if (error >= 0) error = avfilter_graph_create_filter(&sink_, to, "out", nullptr, nullptr, graph_.get());
    outputs->filter_ctx = source_, inputs->filter_ctx = sink_;
    if (error >= 0) error = avfilter_graph_parse_ptr(graph_.get(), description.c_str(), &inputs, &outputs, nullptr);
    avfilter_inout_free(&inputs);
    avfilter_inout_free(&outputs);
    if (error >= 0) error = avfilter_graph_config(graph_.get(), nullptr);
    EMO_CHECK(error >= 0, "video: filter '", description, "' of ", source, ": ", reason(error));
  }
  /// Gives a frame in, of which only the reference is taken; null: no more come.
  void push(AVFrame* in) {
    const int error = av_buffersrc_write_frame(source_, in);
    EMO_CHECK(error >= 0, "video: filter: ", reason(error));
  }
  /// Takes a frame out; false when none is ready.
  bool pull(AVFrame* out) {
    av_frame_unref(out);
    const int error = av_buffersink_get_frame(sink_, out);
    EMO_CHECK(error >= 0 || error == AVERROR(EAGAIN) || error == AVERROR_EOF, "video: filter: ", reason(error));
    return error >= 0;
  }
  int width() const { return av_buffersink_get_w(sink_); }
  int height() const { return av_buffersink_get_h(sink_); }
  AVPixelFormat format() const { return AVPixelFormat(av_buffersink_get_format(sink_)); }

 private:
  std::unique_ptr<AVFilterGraph, Free> graph_;
  AVFilterContext *source_ = nullptr, *sink_ = nullptr;
};

}  // namespace emo::ffmpeg
