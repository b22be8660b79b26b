// The frames of an animation, drawn on a thread of their own while Python takes them.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/unique_ptr.h>

#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <thread>

#include "engine.h"

namespace emo::python {
namespace {

constexpr std::size_t kAhead = 4;  // frames that are drawn before they are asked for

struct Picture {
  explicit Picture(const emo_image& from, bool turn = false) : image(from), pixels(row_bytes() * std::size_t(from.height)) {
    for (int y = 0; y < image.height; ++y) {
      const auto* row =
          static_cast<const std::uint8_t*>(from.pixels) + y * (from.stride ? from.stride : std::ptrdiff_t(row_bytes()));
      std::uint8_t* to = pixels.data() + std::size_t(y) * row_bytes();
      std::memcpy(to, row, row_bytes());
      for (int x = 0; turn && x < image.width; ++x) std::swap(to[3 * x], to[3 * x + 2]);
    }
    image.pixels = pixels.data();
    image.stride = 0;
  }
  std::size_t row_bytes() const { return std::size_t(image.width) * (image.format < EMO_RGBA8 ? 3 : 4); }

  emo_image image;
  std::vector<std::uint8_t> pixels;
};

class Frames {
 public:
  /// `animation` without photo, voice, AUs and frame; AUs where there is no voice.
  Frames(std::shared_ptr<Opened> engine, const emo_image& photo, std::optional<emoengine::Voice> voice,
         std::vector<float> aus, const emo_animation& animation, bool bgr)
      : engine_(std::move(engine)),
        photo_(photo),
        voice_(std::move(voice)),
        aus_(std::move(aus)),
        animation_(animation),
        bgr_(bgr) {
    animation_.photo = &photo_.image;
    animation_.voice = voice_ ? voice_->get() : nullptr;
    animation_.aus = voice_ ? nullptr : aus_.data();
    animation_.user = this;
    animation_.frame = [](void* self, const emo_image* image, std::int64_t, std::int64_t) {
      return std::int32_t(static_cast<Frames*>(self)->add(*image));
    };
    thread_ = std::thread([this] { run(); });
  }

  ~Frames() { close(); }

  /// Ends the animation where it is.
  void close() {
    {
      const std::lock_guard lock(mutex_);
      stopped_ = true;
      waiting_.clear();
    }
    changed_.notify_all();
    const std::lock_guard joining(join_);
    if (thread_.joinable()) thread_.join();
  }

  /// False when there was nothing to take for `us`; negative: for ever.
  bool wait(std::int64_t us) {
    std::unique_lock lock(mutex_);
    const auto ready = [&] { return !waiting_.empty() || done_ || stopped_; };
    if (us >= 0) return changed_.wait_for(lock, std::chrono::microseconds(us), ready);
    changed_.wait(lock, ready);
    return true;
  }

  /// Null at the end. Throws why it ended early, once.
  std::unique_ptr<Picture> take() {
    const std::lock_guard lock(mutex_);
    if (!waiting_.empty()) {
      auto frame = std::move(waiting_.front());
      waiting_.pop_front();
      changed_.notify_all();
      return frame;
    }
    const emo_status status = std::exchange(status_, EMO_OK);
    if (status != EMO_OK && !stopped_) throw emoengine::Error(status, error_.c_str());
    return nullptr;
  }

  bool forked() const { return engine_->pid != ::getpid(); }

 private:
  void run() {
    const emo_status status = emo_animate(engine_->engine->get(), &animation_);
    const std::lock_guard lock(mutex_);
    status_ = status;
    if (status != EMO_OK) error_ = emo_error();
    done_ = true;
    changed_.notify_all();
  }

  /// Takes a frame when there is room; true when no more is wanted.
  bool add(const emo_image& image) {
    auto frame = std::make_unique<Picture>(image, bgr_);
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return waiting_.size() < kAhead || stopped_; });
    if (stopped_) return true;
    waiting_.push_back(std::move(frame));
    changed_.notify_all();
    return false;
  }

  const std::shared_ptr<Opened> engine_;
  const Picture photo_;
  const std::optional<emoengine::Voice> voice_;
  const std::vector<float> aus_;
  emo_animation animation_;
  const bool bgr_;

  std::mutex mutex_, join_;
  std::condition_variable changed_;
  std::deque<std::unique_ptr<Picture>> waiting_;
  bool stopped_ = false, done_ = false;
  emo_status status_ = EMO_OK;
  std::string error_;
  std::thread thread_;
};

/// What Python holds. A forked child has its memory, but not its thread: there it is left alone.
class Animation {
 public:
  explicit Animation(std::unique_ptr<Frames> frames) : frames_(std::move(frames)) {}
  ~Animation() {
    if (frames_->forked()) frames_.release();
  }
  Frames& frames() const {
    if (frames_->forked()) refuse("animation: was begun in the parent of this process; create the Engine after fork");
    return *frames_;
  }
  void close() {
    if (!frames_->forked()) frames_->close();
  }

 private:
  std::unique_ptr<Frames> frames_;
};

std::unique_ptr<Animation> animate(const Engine& engine, const ConstPixels& photo, const Square& face,
                                   const std::optional<Values>& pcm, const std::optional<Table>& aus, bool bgr, double fps,
                                   double smooth_s, double ease_s, double lips, bool blinks, std::uint32_t seed,
                                   bool relative, int passes, std::int32_t detail) {
  const Call call;
  const auto opened = engine.opened();
  const auto [x, y, side, roll] = face;
  emo_animation animation{};
  animation.size = sizeof animation;
  animation.relative = relative;
  animation.passes = passes;
  animation.detail = detail;
  animation.box = {x, y, side, roll};
  animation.no_blinks = !blinks;
  animation.fps = fps;
  animation.smooth_s = smooth_s;
  animation.ease_s = ease_s;
  animation.lips = lips;
  animation.seed = seed;
  std::vector<float> table;
  if (aus) {
    const auto count = std::size_t(opened->engine->au_count());
    if (aus->shape(1) != count) {
      refuse("`aus`: rows of " + std::to_string(aus->shape(1)) + " values came; the model's " + std::to_string(count) +
             " action units are needed");
    }
    animation.rows = aus->shape(0);
    table.assign(aus->data(), aus->data() + aus->size());
  }
  const emo_image image = image_of(photo, bgr);
  nb::gil_scoped_release released;
  std::optional<emoengine::Voice> voice;
  if (pcm) voice = opened->engine->hear({pcm->data(), pcm->size()});
  return std::make_unique<Animation>(
      std::make_unique<Frames>(opened, image, std::move(voice), std::move(table), animation, bgr));
}

}  // namespace

void bind_frames(nb::module_& m) {
  nb::class_<Animation>(m, "Animation", nb::is_weak_referenceable())
      .def("close", &Animation::close, nb::call_guard<nb::gil_scoped_release>())
      .def(
          "take",
          [](const Animation& animation) -> std::optional<nb::ndarray<nb::numpy, std::uint8_t>> {
            const Call call;
            Frames& self = animation.frames();
            wait_for([&](std::int64_t us) { return self.wait(us); }, [&] { self.close(); });
            auto frame = self.take();
            if (!frame) return std::nullopt;
            const auto [width, height] = std::pair(frame->image.width, frame->image.height);
            std::uint8_t* data = frame->pixels.data();
            return owning(std::move(frame), data, {std::size_t(height), std::size_t(width), 3});
          },
          "The next frame, or None at the end.");
  m.def("animate", animate, nb::arg("engine"), nb::arg("photo"), nb::arg("face"), nb::kw_only(), nb::arg("pcm").none(),
        nb::arg("aus").none(), nb::arg("bgr"), nb::arg("fps"), nb::arg("smooth_s"), nb::arg("ease_s"), nb::arg("lips"),
        nb::arg("blinks"), nb::arg("seed"), nb::arg("relative"), nb::arg("passes"), nb::arg("detail"));
}

}  // namespace emo::python
