#include "engine/media/video.h"

#include <cmath>
#include <cstddef>

#include "base/limits.h"
#include "emoengine_media.h"
#include "engine/c_api/guard.h"
#include "engine/c_api/images.h"

struct emo_video_reader {
  const emo::c_api::SourceFile file;  ///< stays while it is read
  const std::unique_ptr<emo::VideoReader> reader;
  emo::Image frame;
};

struct emo_video_writer {
  const std::unique_ptr<emo::VideoWriter> writer;
};

using namespace emo;
using namespace emo::c_api;

emo_status emo_read_video(const emo_source* source, double* fps, double* seconds, emo_video_reader** reader) {
  return guard([&] {
    auto& out = handle_out(reader, "reader");
    SourceFile file(needed(source, "source"), "source");
    auto opened = file.read([](const auto& path) { return video().read(path, {}); });
    if (fps) *fps = opened->fps();
    if (seconds) *seconds = opened->seconds();
    out = new emo_video_reader{std::move(file), std::move(opened), {}};
  });
}

emo_status emo_next_frame(emo_video_reader* reader, emo_image* frame, double* time_s) {
  return guard([&] {
    auto& from = needed(reader, "reader");
    needed(frame, "frame");
    double time = 0;
    const bool more = from.file.read([&](const auto&) { return from.reader->read(from.frame, time); });
    if (time_s && more) *time_s = time;
    *frame = more ? emo_image{from.frame.rgb.data(), from.frame.width, from.frame.height, 0, EMO_RGB8, 0} : emo_image{};
  });
}

void emo_video_reader_free(emo_video_reader* reader) { delete reader; }

emo_status emo_write_video(const char* path, const emo_video_options* options, emo_video_writer** writer) {
  return guard([&] {
    auto& out = handle_out(writer, "writer");
    needed(path, "path");
    VideoOptions wanted;
    if (options) {
      const auto given = known(options, "emo_video_options", sizeof(emo_video_options));
      if (given.reserved != 0) refuse("`reserved`: ", given.reserved, " came; 0 is needed");
      if (given.fps != 0) wanted.fps = given.fps;
      if (given.samples > 0) {
        const float* pcm = &needed(given.pcm, "pcm");
        wanted.sound = {{pcm, pcm + given.samples}, Video::kSoundRateHz};
        for (std::size_t i = 0; i < given.samples; ++i) {
          if (!std::isfinite(pcm[i])) refuse("`pcm`[", i, "]: ", pcm[i], " came; a finite sample is needed");
        }
      }
    }
    const double most = video().kind(path, "").max_fps;
    if (!(wanted.fps >= limits::kMinFps && wanted.fps <= most)) {
      refuse("`fps`: ", wanted.fps, " came; ", limits::kMinFps, " to ", most, " are taken");
    }
    out = new emo_video_writer{video().write(path, std::move(wanted))};
  });
}

emo_status emo_add_frame(emo_video_writer* writer, const emo_image* frame) {
  return guard([&] { needed(writer, "writer").writer->add(flattened(image_of(frame, "frame"))); });
}

emo_status emo_finish_video(emo_video_writer* writer) {
  return guard([&] { needed(writer, "writer").writer->finish(); });
}

void emo_video_writer_free(emo_video_writer* writer) { delete writer; }
