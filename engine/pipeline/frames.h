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
  /// `drawing`: how it will be drawn; a face is read only where that matters.
  Still(const Engine& engine, Image photo, std::vector<Box> faces, const Drawing& drawing = {});

  Image photo;
  std::vector<Box> faces;
  std::vector<CutFace> cuts;  ///< of `faces`
};

/// One frame on its way from the source through the generator to the file.
struct Frame {
  Image picture;
  std::vector<Box> faces;              ///< to be redrawn in it
  std::shared_ptr<const Still> still;  ///< what they are redrawn from, if not the picture itself
  std::vector<float> aus;              ///< what they are to show, in the order of the source's au_names()
};

/// Gives the frames of an animation, from a photo, a video or whoever else derives from it.
class Source {
 public:
  virtual ~Source() = default;
  virtual const std::vector<std::string>& au_names() const = 0;
  /// Fills a frame, which may be one that was written already: its memory is used again. A source that is live waits here
  /// for its next; how many will come need not be known. False when there are no more.
  virtual bool next(Frame& frame) = 0;
};

/// The same photo for each row of the curve. A frame gets its pixels once: redrawing its faces changes the same pixels each
/// time.
std::unique_ptr<Source> photo_source(std::shared_ptr<const Still> photo, AuCurve curve);

enum class NoFace { kError, kSkip, kHold };
/// Frames of a video at the output's rate, one for each row of the curve while it lasts: for each the last that began before
/// it, the largest face of the first followed from one to the next, by the engine's face reader if it has one. The engine
/// must outlive it. `name` is the file's. What it says of its length is not relied on: it ends with its frames, the last of
/// which may stand for a second. next() throws Error(kInput) for a video without frames, and for a frame without a face with
/// NoFace::kError.
std::unique_ptr<Source> video_source(const Engine& engine, std::unique_ptr<VideoReader> reader, std::string name, double fps,
                                     NoFace no_face, AuCurve curve);

/// How many frames were written, and how many of them as they came, for want of a face.
struct Drawn {
  std::size_t frames = 0, without_face = 0;
};

struct DrawOptions {
  Drawing drawing;
  std::function<bool()> stop;   ///< asked before each frame; true ends the animation there
  std::function<void()> drawn;  ///< told of each frame that was written, from another thread than the caller's
};

/// Redraws each frame of the source and writes it, until there are no more or stop() says so: three threads, between which a
/// few frames go round.
Drawn draw(const Engine& engine, Source& source, VideoWriter& writer, const DrawOptions& options);

}  // namespace emo
