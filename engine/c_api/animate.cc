#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>

#include "base/limits.h"
#include "emoengine_media.h"
#include "engine/c_api/engine.h"
#include "engine/c_api/guard.h"
#include "engine/c_api/images.h"
#include "engine/expression/animation.h"
#include "engine/pipeline/frames.h"

using namespace emo;
using namespace emo::c_api;

namespace {

/// Gives the caller what would go into a video.
class FrameCalls final : public VideoWriter {
 public:
  FrameCalls(const emo_animation& animation, std::size_t count) : animation_(animation), count_(std::int64_t(count)) {}
  void add(const Image& frame) override {
    if (stopped_) return;
    auto* pixels = const_cast<std::uint8_t*>(frame.rgb.data());  // emo_image is for writing too
    const emo_image image{pixels, frame.width, frame.height, 0, EMO_RGB8, 0};
    stopped_ = animation_.frame(animation_.user, &image, index_++, count_) != 0;
  }
  void finish() override {}
  void interrupt() override {}
  const std::filesystem::path& part() const override { return part_; }
  std::string remark() const override { return ""; }
  bool stopped() const { return stopped_; }

 private:
  const emo_animation& animation_;
  const std::int64_t count_;
  const std::filesystem::path part_;
  std::int64_t index_ = 0;
  std::atomic<bool> stopped_ = false;
};

/// What moves the face: the voice's rows at each frame, or the table's.
AuCurve curve_of(const emo_engine& engine, const emo_animation& animation, double fps, double lips) {
  const bool heard = animation.voice != nullptr;
  if (heard == (animation.aus != nullptr)) refuse("`voice`: one of `voice` and `aus` is needed");
  const double rows =
      heard ? std::max(1., std::ceil(emo_voice_seconds(animation.voice) * fps - 1e-9)) : double(animation.rows);
  if (rows < 1 || rows / fps > limits::kMaxAudioSeconds) {
    refuse("`rows`: ", rows, " came, at ", fps, " a second; one row to ", limits::kMaxAudioSeconds, " s are taken");
  }
  std::vector<double> times(std::size_t(rows), 0.);
  for (std::size_t i = 0; i < times.size(); ++i) times[i] = double(i) / fps;
  AuCurve curve(engine.au_names, std::move(times));
  if (heard) {
    float* const rows = curve.values.values.data();
    auto status = emo_voice_at(animation.voice, curve.times_s.data(), curve.rows(), rows);
    if (status == EMO_OK) status = emo_voice_add_lips(animation.voice, curve.times_s.data(), curve.rows(), lips, rows);
    if (status != EMO_OK) throw Error(ErrorKind::kModel, emo_error());
  } else {
    for (std::size_t i = 0; i < curve.rows(); ++i) {
      curve.set_row(i, action_units(engine, animation.aus + i * curve.names.size(), "aus"));
    }
  }
  return curve;
}

}  // namespace

emo_status emo_animate(emo_engine* engine, const emo_animation* animation) {
  return guard([&] {
    const emo_engine& opened = drawing(engine);
    const emo_animation wanted = known(animation, "emo_animation", sizeof(emo_animation));
    if (!wanted.frame) refuse("`frame`: NULL came; it is needed");
    const Drawing drawing = drawing_of(wanted.relative, wanted.passes, wanted.detail);
    const auto chosen = [](double value, double otherwise) { return value == 0 ? otherwise : std::max(0., value); };
    AnimationOptions options;
    options.fps = wanted.fps == 0 ? options.fps : wanted.fps;
    options.smooth_s = chosen(wanted.smooth_s, options.smooth_s);
    options.ease_s = chosen(wanted.ease_s, options.ease_s);
    options.blink = wanted.no_blinks == 0;
    const double lips = chosen(wanted.lips, 1);
    options.lips_move = lips > 0;
    if (wanted.seed != 0) options.seed = wanted.seed;
    if (!(options.fps >= limits::kMinFps && options.fps <= limits::kMaxFps)) {
      refuse("`fps`: ", options.fps, " came; ", limits::kMinFps, " to ", limits::kMaxFps, " are possible");
    }
    if (!(lips <= limits::kMaxLips)) refuse("`lips`: ", lips, " came; up to ", limits::kMaxLips, " are possible");
    const Box box = box_of(wanted.box, "box");
    const auto still = std::make_shared<const Still>(opened.engine, flattened(image_of(wanted.photo, "photo")),
                                                     std::vector<Box>{box}, drawing);
    AuCurve curve = curve_of(opened, wanted, options.fps, lips);
    const std::size_t count = curve.rows();
    curve = animation_curve(curve, count, options);
    FrameCalls frames(wanted, count);
    const Drawn drawn = draw(opened.engine, *photo_source(still, std::move(curve)), frames,
                             {.drawing = drawing, .stop = [&] { return frames.stopped(); }});
    if (frames.stopped()) {
      fail(ErrorKind::kCancelled, "animation: ended by `frame` after ", drawn.frames, " of ", count, " frames");
    }
  });
}
