#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/media/video.h"

/// The frames of an animation, from a photo or a video through the generator to the file.
namespace emo {

/// A photo that is animated, its faces cut out once.
struct Still {
  Still(const Engine& engine, Image photo, std::vector<Box> faces);

  Image photo;
  std::vector<Box> faces;
  std::vector<CutFace> cuts;  ///< of `faces`
};

/// One frame on its way from the source through the generator to the file.
struct Frame {
  Image picture;
  std::vector<Box> faces;              ///< to be redrawn in it
  std::shared_ptr<const Still> still;  ///< what they are redrawn from, if not the picture itself
};

/// Gives the frames of a photo or a video.
class Source {
 public:
  virtual ~Source() = default;
  /// Fills a frame, which may be one that was written already: its memory is used again. False when there are no more.
  virtual bool next(Frame& frame) = 0;
};

/// The same photo each time. A frame gets its pixels once: redrawing its faces changes the same pixels each time.
std::unique_ptr<Source> photo_source(std::shared_ptr<const Still> photo);

enum class NoFace { kError, kSkip, kHold };
/// Frames of a video at the output's rate: for each the last that began before it, the largest face of the first followed
/// from one to the next. `name` is the file's. What it says of its length is not relied on: it ends with its frames, the
/// last of which may stand for a second. next() throws Error(kInput) for a video without frames, and for a frame without a
/// face with NoFace::kError.
std::unique_ptr<Source> video_source(std::unique_ptr<VideoReader> reader, std::string name, double fps, NoFace no_face);

/// How many frames were written, and how many of them as they came, for want of a face.
struct Drawn {
  std::size_t frames = 0, without_face = 0;
};

struct DrawOptions {
  int passes = 1;               ///< see FaceJob
  std::function<bool()> stop;   ///< asked before each frame; true ends the animation there
  std::function<void()> drawn;  ///< told of each frame that was written, from another thread than the caller's
};

/// Redraws a frame for each row of the curve and writes it: three threads, between which a few frames go round. Fewer frames
/// than the curve has rows when stop() said so or the source had no more.
Drawn draw(const Engine& engine, Source& source, const AuCurve& curve, VideoWriter& writer, const DrawOptions& options);

}  // namespace emo
