#include "engine/media/video/decoder.h"

#include "base/file.h"

namespace emo {

using namespace ffmpeg;

Decoder::Decoder(const std::filesystem::path& path, AVMediaType type, const ImageLimits& limits) : name_(path.string()) {
  MappedFile(path, ErrorKind::kInput);  // missing, empty, a folder: in our own words
  AVFormatContext* input = nullptr;
  AVDictionary* settings = nullptr;
  av_dict_set(&settings, "protocol_whitelist", "file", 0);  // a playlist may not reach out
  av_dict_set(&settings, "format_whitelist", "mov,matroska,avi,mpegts,mpeg,ogg,flv,gif,asf,caf,w64,aac,ac3,eac3,amr", 0);
  const int error = avformat_open_input(&input, ("file:" + name_).c_str(), nullptr, &settings);
  av_dict_free(&settings);
  if (error < 0) return;
  input_.reset(input);
  const AVCodec* decoder = nullptr;
  const bool known = avformat_find_stream_info(input, nullptr) >= 0;
  int wanted = -1;  // the best
  for (unsigned i = input->nb_streams; type == AVMEDIA_TYPE_AUDIO && i-- > 0;) {
    if (input->streams[i]->codecpar->codec_type == type) wanted = int(i);  // the first
  }
  const int index = known ? av_find_best_stream(input, type, wanted, -1, &decoder, 0) : -1;
  if (index < 0 || input->streams[index]->disposition & AV_DISPOSITION_ATTACHED_PIC) return;
  stream_ = input->streams[index];
  for (unsigned i = 0; i < input->nb_streams; ++i) {
    if (int(i) != index) input->streams[i]->discard = AVDISCARD_ALL;
  }
  codec_.reset(needed(avcodec_alloc_context3(decoder)));
  codec_->pkt_timebase = stream_->time_base;
  codec_->thread_count = 2;  // frame threads each hold pictures
  // Decoders count padded rows and scratch lines too, so this only bounds memory; the reader refuses by the very size.
  codec_->max_pixels = std::int64_t((4 * limits.max_megapixels + 16) * 1e6);
  if (avcodec_parameters_to_context(codec_.get(), stream_->codecpar) < 0 ||
      avcodec_open2(codec_.get(), decoder, nullptr) < 0) {
    refuse("has ", type == AVMEDIA_TYPE_VIDEO ? "pictures" : "sound", " of a kind that this FFmpeg cannot decode");
  }
}

double Decoder::time_s(const AVFrame& frame, double otherwise) const {
  // What a sound decoder drops at the start (Opus: 6.5 ms) is counted in pts alone.
  const std::int64_t pts = frame.nb_samples > 0 && frame.pts != AV_NOPTS_VALUE ? frame.pts : frame.best_effort_timestamp;
  return pts == AV_NOPTS_VALUE ? otherwise : double(pts) * av_q2d(stream_->time_base);
}

bool Decoder::read(AVFrame* frame, double at_s) {
  const auto damaged = [&](int error) {
    refuse("is damaged after ", at_s, " s: ", reason(error), "; copy or download it again");
  };
  while (true) {
    const int got = avcodec_receive_frame(codec_.get(), frame);
    if (got >= 0) return true;
    if (got == AVERROR_EOF) return false;
    if (got != AVERROR(EAGAIN)) damaged(got);
    const int error = av_read_frame(input_.get(), packet_.get());
    if (error < 0 && error != AVERROR_EOF) damaged(error);
    if (error >= 0 && packet_->stream_index != stream_->index) {
      av_packet_unref(packet_.get());
      continue;
    }
    const int sent = avcodec_send_packet(codec_.get(), error < 0 ? nullptr : packet_.get());
    av_packet_unref(packet_.get());
    if (sent < 0) damaged(sent);
  }
}

}  // namespace emo
