#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "engine/media/media.h"

namespace emo {

/// Frames of a video file in their order of time, upright RGB (a telephone's rotation is applied). Memory does not grow with
/// the length. Used by one thread.
class VideoReader {
 public:
  virtual ~VideoReader() = default;
  virtual double fps() const = 0;      ///< the file's mean rate
  virtual double seconds() const = 0;  ///< as the file says
  virtual int side() const = 0;        ///< the pictures' long side, px, before they are scaled down
  /// The next frame and its time, counted from the first frame's; false at the end.
  /// Throws Error(kInput) naming the file when it is damaged.
  virtual bool read(Image& frame, double& time_s) = 0;
};

struct VideoOptions {
  double fps = 25;
  Clip sound;          ///< at kSoundRateHz; empty: no sound stream
  std::string format;  ///< mp4, webm, gif or png; empty: as the path's extension says
  /// Where the bytes go as they come, in pieces of at most some 64 KiB, instead of to a file; nothing of a path but its
  /// extension then counts. False: nobody wants them any more, so add() and finish() throw Error(kInput). Not for png.
  std::function<bool(std::span<const std::uint8_t>)> sink = {};
  std::string xmp = {};  ///< a packet of metadata to embed in an .mp4; other kinds have no place for it
};

/// OUT.part.EXT: where a video is while it is made.
inline std::filesystem::path part_of(const std::filesystem::path& out) {
  std::filesystem::path part = out;
  return part.replace_filename(out.stem().string() + ".part" + out.extension().string());
}

/// A video on its way to a file. Frames go to OUT.part.EXT as they come: encoded, in a container that plays up to where it
/// ends. Used by one thread.
class VideoWriter {
 public:
  /// When neither finish() nor interrupt() came to its end: removes the .part, unless the error was that it cannot be
  /// written on, which names it, and something of it was.
  virtual ~VideoWriter() = default;
  /// Throws Error(kInput) when the frame is of another size than the first, or the file cannot be written.
  virtual void add(const Image& frame) = 0;
  /// Writes the rest and renames OUT.part.EXT to OUT.EXT. Throws Error(kInput) when either fails, or there was no frame.
  virtual void finish() = 0;
  /// Writes the rest, so that the .part plays, and leaves it under that name; removes it when there was no frame.
  virtual void interrupt() = 0;
  virtual const std::filesystem::path& part() const = 0;
  /// What a viewer is to know: "no sound in .gif", "a row repeated: 511x512 became 512x512"; empty: nothing.
  virtual std::string remark() const = 0;
};

/// What a kind of output is like.
struct VideoKind {
  double max_fps;
  int usual_side;  ///< px, the long side at which it is still easily played: telephones play H.264 up to level 5.2; 0: any
};

/// From what the time of a sound is counted: its own start, or when the first picture is shown.
enum class SoundStart { kOwn, kFirstPicture };

/// Videos by FFmpeg's libraries, which with all their codecs take 0.1 s to load: a shared library of its own
/// (libemo_video.so) beside libemo_media.so. Thread-safe.
class Video {
 public:
  static constexpr int kSoundRateHz = 48'000;  ///< what both AAC and Opus take

  virtual ~Video() = default;

  /// Opens MP4, MOV, WebM, Matroska, AVI, MPEG-TS, Ogg, FLV or GIF by content, and nothing but that file.
  /// `max_side` > 0: larger frames are scaled down, to this long side.
  /// Throws Error(kInput) naming the file: missing, of another kind, without pictures or a length, past a limit.
  virtual std::unique_ptr<VideoReader> read(const std::filesystem::path& path, const ImageLimits& limits,
                                            int max_side = 0) const = 0;

  /// Writes by the extension, frames of the first one's size:
  ///   .mp4   H.264 (x264, CRF 18) and AAC, fragments of 2 s; an odd side gets its last row or column twice, as 4:2:0 needs
  ///   .webm  VP9 and Opus
  ///   .gif   256 colours chosen for each frame; no sound, at most 50 frames/s
  ///   none   a new folder of frames 000001.png ...; no sound. Frames in its .part folder are an older run's and replaced
  /// Throws Error(kUsage) for another extension, Error(kDevice) when this FFmpeg lacks an encoder, Error(kInput) for an
  /// output that cannot be written.
  virtual std::unique_ptr<VideoWriter> write(const std::filesystem::path& path, VideoOptions options) const = 0;

  /// What such an output is like; named and refused as by write().
  virtual VideoKind kind(const std::filesystem::path& path, const std::string& format) const = 0;

  /// The first sound of a video or of a sound that FFmpeg knows, and nothing but that file; null when there is none that can
  /// be decoded. Throws Error(kInput) naming the file when it is missing or damaged.
  virtual std::unique_ptr<AudioSource> sound(const std::filesystem::path& path, SoundStart start) const = 0;

  /// "FFmpeg 5.1.9, H.264 by libx264"
  virtual std::string describe() const = 0;
};

/// Loads libemo_video.so on the first call and keeps it.
/// Throws Error(kDevice) when the library is not installed, saying what to install.
const Video& video();

}  // namespace emo
