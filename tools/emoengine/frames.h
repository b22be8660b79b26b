#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/media/video.h"
#include "tools/emoengine/progress.h"

/// The frames of an animation, from a photo or a video through the generator to the file.
namespace emo::cli {

/// One frame on its way from the source through the generator to the file.
struct Frame {
  Image picture;
  std::vector<Box> faces;  ///< to be redrawn in it
};

/// Gives the frames of a photo or a video.
class Source {
 public:
  virtual ~Source() = default;
  /// Fills a frame, which may be one that was written already: its memory is used again.
  virtual void next(Frame& frame) = 0;
};

/// The same photo each time.
std::unique_ptr<Source> photo_source(Frame photo);

enum class NoFace { kError, kSkip, kHold };
/// Frames of a video at the output's rate: for each the last that began before it, the largest face of the first followed
/// from one to the next. `name` is the file's. next() throws Error(kInput) for a video without frames, and for a frame
/// without a face with NoFace::kError.
std::unique_ptr<Source> video_source(std::unique_ptr<VideoReader> reader, std::string name, double fps, NoFace no_face);

/// How many frames were written, and how many of them as they came, for want of a face.
struct Drawn {
  std::size_t frames = 0, without_face = 0;
};

/// Redraws a frame for each row of the curve and writes it: three threads, between which a few frames go round. Fewer frames
/// than the curve has rows when stop() said so.
Drawn draw(const Engine& engine, Source& source, const AuCurve& curve, VideoWriter& writer, Progress& progress,
           const std::function<bool()>& stop);

}  // namespace emo::cli
