#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "engine/media/media.h"
#include "engine/media/video/ffmpeg.h"

namespace emo {

/// Decodes one stream of a video file.
class Decoder {
 public:
  /// Opens the file and its best pictures (AVMEDIA_TYPE_VIDEO; cover art is none) or its first sound (_AUDIO). The decoder
  /// itself refuses pictures far past `limits` before it allocates them; whoever shows one checks its size.
  /// Throws Error(kInput) naming the file: missing, of a codec that cannot be decoded.
  Decoder(const std::filesystem::path& path, AVMediaType type, const ImageLimits& limits = {});

  /// Null when there is no such stream: then nothing else may be called but file() and refuse().
  AVStream* stream() const { return stream_; }
  /// Null when the file is of a kind that is not taken.
  AVFormatContext* file() const { return input_.get(); }
  /// In seconds; `otherwise` when the frame does not say.
  double time_s(const AVFrame& frame, double otherwise) const;

  /// The next frame; false at the end. Throws Error(kInput) naming the file and `at_s`, the time so far, when it is damaged.
  bool read(AVFrame* frame, double at_s);

  template <typename... Why>
  [[noreturn]] void refuse(const Why&... why) const {
    fail(ErrorKind::kInput, name_, ": ", why...);
  }

 private:
  struct Close {
    void operator()(AVFormatContext* c) const { avformat_close_input(&c); }
  };

  const std::string name_;
  std::unique_ptr<AVFormatContext, Close> input_;
  AVStream* stream_ = nullptr;  ///< of input_
  ffmpeg::Codec codec_;
  ffmpeg::Packet packet_ = ffmpeg::new_packet();
};

}  // namespace emo
