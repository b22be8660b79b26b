#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <future>
#include <memory>
#include <optional>

#include "base/bounded_queue.h"
#include "base/error.h"
#include "engine/animation.h"
#include "engine/face_tracker.h"
#include "engine/media/video.h"
#include "tools/emoengine/commands.h"
#include "tools/emoengine/common.h"
#include "tools/emoengine/progress.h"

namespace emo::cli {
namespace {

using SteadyClock = std::chrono::steady_clock;

struct AnimateOptions {
  std::string image, video, audio, au_file, out;
  ImageLimits image_limits;
  AudioLimits audio_limits;
  FaceChoice face;
  std::optional<double> fps;  ///< none: the video's own, 25 for a photo
  AnimationOptions animation;
  Expression expression;
  std::string no_face = "error";  ///< error | skip | hold
  std::string blink = "on";
  ModelOptions model;
};

/// While it lives, SIGINT and SIGTERM ask for an end instead of making one.
class Interruptible {
 public:
  Interruptible() {
    for (std::size_t i = 0; i < 2; ++i) before_[i] = std::signal(kSignals[i], [](int signal) { asked_ = signal; });
  }
  ~Interruptible() {
    for (std::size_t i = 0; i < 2; ++i) std::signal(kSignals[i], before_[i]);
  }
  /// The signal that came, 0 if none did.
  static int signal() { return asked_; }

 private:
  static constexpr int kSignals[] = {SIGINT, SIGTERM};
  static inline volatile std::sig_atomic_t asked_ = 0;
  void (*before_[2])(int);
};

/// One frame on its way from the source through the generator to the file.
struct Work {
  std::shared_ptr<const Image> photo;
  std::shared_ptr<const std::vector<Box>> boxes;
  std::shared_ptr<const std::vector<Face>> cut;  ///< the faces at the boxes, to be redrawn
  std::vector<Face> redrawn;
};

/// Gives the frames of a photo or a video; null boxes: no face in this one.
class Source {
 public:
  virtual ~Source() = default;
  virtual Work next() = 0;
};

/// The same faces of the same photo each time, found and cut out once.
class PhotoSource final : public Source {
 public:
  PhotoSource(const Engine& engine, Image photo, std::vector<Box> boxes) {
    std::vector<Face> cut;
    for (const Box& box : boxes) cut.push_back(engine.cut(photo, box));
    work_.photo = std::make_shared<const Image>(std::move(photo));
    work_.boxes = std::make_shared<const std::vector<Box>>(std::move(boxes));
    work_.cut = std::make_shared<const std::vector<Face>>(std::move(cut));
  }
  Work next() override { return {work_.photo, work_.boxes, work_.cut, {}}; }

 private:
  Work work_;
};

/// Frames of a video at the output's rate: for each the last that began before it, the face followed from one to the next.
class VideoSource final : public Source {
 public:
  VideoSource(const Engine& engine, VideoReader& reader, const AnimateOptions& options, double fps)
      : engine_(engine), reader_(reader), options_(options), fps_(fps) {}

  Work next() override {
    const double t = double(index_++) / fps_ + 0.25 / fps_;  // times in files are rounded
    bool changed = false;
    while (!ended_ && (!current_.photo || coming_s_ <= t)) {
      if (coming_) current_.photo = std::move(coming_), changed = true;
      Image frame;
      ended_ = !reader_.read(frame, coming_s_);
      if (!ended_) coming_ = std::make_shared<const Image>(std::move(frame));
    }
    if (!current_.photo && !coming_) fail(ErrorKind::kInput, options_.video, ": holds no frame");
    if (!current_.photo) current_.photo = std::move(coming_), changed = true;  // a single frame
    if (changed) follow_face();
    return {current_.photo, current_.boxes, current_.cut, {}};
  }

 private:
  void follow_face() {
    std::optional<Box> face = tracker_.next(*current_.photo);
    if (!face && options_.no_face == "error") {
      char time[32];
      std::snprintf(time, sizeof time, "%.2f", double(index_ - 1) / fps_);
      fail(ErrorKind::kInput, options_.video, ": no face was found at ", time,
           " s; use --no-face skip to leave such frames as they are, or --no-face hold to go on where it was");
    }
    if (!face && options_.no_face == "hold") face = tracker_.last();
    current_.boxes.reset(), current_.cut.reset();
    if (!face) return;
    std::vector<Face> cut;
    cut.push_back(engine_.cut(*current_.photo, *face));
    current_.boxes = std::make_shared<const std::vector<Box>>(1, *face);
    current_.cut = std::make_shared<const std::vector<Face>>(std::move(cut));
  }

  const Engine& engine_;
  VideoReader& reader_;
  const AnimateOptions& options_;
  const double fps_;
  FaceTracker tracker_{[](const Image& picture, int looks) { return media().find_faces(picture, nullptr, looks); }};
  std::size_t index_ = 0;
  bool ended_ = false;
  std::shared_ptr<const Image> coming_;  ///< the frame after the current one, which begins at coming_s_
  double coming_s_ = 0;
  Work current_;
};

/// Puts redrawn faces into a picture of its own, which of a photo that comes again only gets the boxes anew.
class Canvas {
 public:
  explicit Canvas(const Engine& engine) : engine_(engine) {}

  const Image& paste(const Work& work) {
    if (work.photo != photo_) {
      photo_ = work.photo, picture_ = *photo_;
    } else if (work.boxes) {
      for (const Box& box : *work.boxes) restore(scaled(box, engine_.generator_config().crop_scale));
    }
    for (std::size_t i = 0; i < work.redrawn.size(); ++i) engine_.paste(picture_, (*work.boxes)[i], work.redrawn[i]);
    return picture_;
  }

 private:
  void restore(const Box& box) {
    const auto inside = [](float v, int size) { return std::clamp(int(v), 0, size); };
    const int x = inside(std::floor(box.x), picture_.width), x_end = inside(std::ceil(box.x + box.side) + 1, picture_.width);
    const int y = inside(std::floor(box.y), picture_.height),
              y_end = inside(std::ceil(box.y + box.side) + 1, picture_.height);
    for (int row = y; row < y_end; ++row) std::copy_n(photo_->pixel(x, row), 3 * (x_end - x), picture_.pixel(x, row));
  }

  const Engine& engine_;
  std::shared_ptr<const Image> photo_;
  Image picture_;
};

/// Three threads and two queues: the source (decode, find, crop), the generator here, the file (paste, encode, write).
/// Returns how many frames were written: fewer than the curve has when a signal came.
std::size_t draw(const Engine& engine, Source& source, const AuCurve& curve, VideoWriter& writer, Progress& progress) {
  constexpr std::size_t kWaiting = 4;
  BoundedQueue<Work> to_generate(kWaiting), to_write(kWaiting);
  std::size_t written = 0;
  struct Close {  // whichever thread ends, by an error too, ends the others
    BoundedQueue<Work>& queue;
    ~Close() { queue.close(); }
  };
  auto reading = std::async(std::launch::async, [&] {
    const Close close{to_generate};
    for (std::size_t i = 0; i < curve.rows.size(); ++i) {
      if (!to_generate.push(source.next())) return;
    }
  });
  auto writing = std::async(std::launch::async, [&] {
    const Close close{to_write};
    Canvas canvas(engine);
    while (const auto work = to_write.pop()) {
      writer.add(canvas.paste(*work));
      progress.step();
      ++written;
    }
  });
  {
    const Close no_more_reading{to_generate}, no_more_writing{to_write};
    for (const ActionUnits& au : curve.rows) {
      if (Interruptible::signal()) break;
      std::optional<Work> work = to_generate.pop();
      if (!work) break;
      if (work->cut) {
        for (const Face& face : *work->cut) work->redrawn.push_back(engine.redraw(face, au));
      }
      if (!to_write.push(std::move(*work))) break;
    }
  }
  writing.get();
  reading.get();
  return written;
}

void check_together(const AnimateOptions& options) {
  if (options.image.empty() == options.video.empty()) {
    fail(ErrorKind::kUsage, "animate: give one of --image and --video");
  }
  if (options.video.empty() && options.audio.empty() && options.au_file.empty()) {
    fail(ErrorKind::kUsage, "animate: nothing says how a photo moves; give --audio or --au-file");
  }
  if (!options.video.empty() && options.face.which != "largest") {
    fail(ErrorKind::kUsage, "--face goes with --image; in a video the largest face of the first frame is followed");
  }
}

/// AUs over time, before smoothing: the file's or the voice's, else the neutral face, each with what was asked on top.
AuCurve wanted_curve(const Engine& engine, const AnimateOptions& options, double fps, Loader& loader, double& seconds) {
  AuCurve curve;
  seconds = 0;
  if (!options.au_file.empty()) {
    curve = read_au_file(options.au_file, engine.generator_config().au_names, fps);
    seconds = (std::round(curve.times_s.back() * fps) + 1) / fps;  // OpenFace rounds times to milliseconds
    if (options.audio.empty() && seconds > options.audio_limits.max_seconds) {
      fail(ErrorKind::kInput, options.au_file, ": lasts ", seconds, " s; at most ", options.audio_limits.max_seconds,
           " s are taken. Cut it, or raise --max-audio-s");
    }
  } else if (!options.audio.empty()) {
    const Clip voice = loader.audio(options.audio, engine.speech_config().sample_rate_hz, options.audio_limits);
    curve = engine.aus_per_frame(voice.pcm, fps);
    seconds = voice.seconds();
  } else {
    curve = {{0.0}, {ActionUnits(engine.generator_config().au_names)}};
  }
  for (ActionUnits& au : curve.rows) au = options.expression.over(au);
  return curve;
}

void animate(const AnimateOptions& options) {
  const auto start = SteadyClock::now();
  check_together(options);
  const Needs needs = options.audio.empty() || !options.au_file.empty() ? Needs::kGenerator : Needs::kBoth;
  auto opening = std::async(std::launch::async, [&] { return open_engine(options.model, needs); });

  std::unique_ptr<VideoReader> reader;
  if (!options.video.empty()) reader = video().read(options.video, options.image_limits);
  AnimationOptions animation = options.animation;
  animation.fps = options.fps.value_or(reader ? reader->fps() : animation.fps);
  animation.blink = options.blink == "on";
  animation_curve({{0.0}, {ActionUnits({})}}, 1, animation);  // refuses options out of range before anything is drawn

  Loader loader(options.model.quiet);
  Clip sound;
  if (!options.audio.empty()) sound = loader.audio(options.audio, Video::kSoundRateHz, options.audio_limits);
  double seconds = sound.seconds();
  const auto writer = video().write(options.out, {animation.fps, std::move(sound)});

  Image photo;
  std::vector<Box> boxes;
  if (!reader) {
    photo = loader.image(options.image, options.image_limits);
    boxes = choose_faces(photo, options.image, options.face);
  }
  const Engine engine = opening.get();
  double curve_seconds = 0;
  AuCurve curve = wanted_curve(engine, options, animation.fps, loader, curve_seconds);
  // As long as the sound, else the curve; not longer than the video.
  if (seconds == 0) seconds = curve_seconds;
  if (reader) seconds = seconds == 0 ? reader->seconds() : std::min(seconds, reader->seconds());
  const auto frames = std::size_t(std::max(1.0, std::ceil(seconds * animation.fps - 1e-3)));
  curve = animation_curve(curve, frames, animation);

  std::unique_ptr<Source> source;
  if (reader) {
    source = std::make_unique<VideoSource>(engine, *reader, options, animation.fps);
  } else {
    source = std::make_unique<PhotoSource>(engine, std::move(photo), std::move(boxes));
  }
  const Interruptible interruptible;
  std::string summary;
  std::size_t written;
  {
    Progress progress("animate", "frames", frames, options.model.quiet, start);
    written = draw(engine, *source, curve, *writer, progress);
    written == frames ? writer->finish() : writer->interrupt();
    summary = progress.summary();
  }
  if (written < frames) {
    std::fprintf(stderr, "emoengine: interrupted after %zu of %zu frames; %s plays up to there\n", written, frames,
                 writer->part().c_str());
    std::signal(Interruptible::signal(), SIG_DFL);
    std::raise(Interruptible::signal());  // so that a script which waits for this program sees why it ended
  }
  const std::string remark = writer->remark();
  if (!options.model.quiet) {
    std::printf("%s: %s%s%s\n", options.out.c_str(), summary.c_str(), remark.empty() ? "" : "; ", remark.c_str());
  }
}

}  // namespace

void add_animate(CLI::App& app) {
  auto* command = app.add_subcommand("animate", "a video of a face that moves as a voice or a table of AUs says");
  auto options = std::make_shared<AnimateOptions>();
  add_image_options(*command, options->image, options->image_limits);
  command->get_option("--image")->required(false);
  command->add_option("--video", options->video, "video instead of a photo; its face is followed");
  add_audio_options(*command, options->audio, options->audio_limits);
  command->get_option("--audio")->required(false);
  command->add_option("--au-file", options->au_file,
                      "AUs over time instead of the voice's: .csv, .json or .npy as aus writes");
  command->add_option("--out,-o", options->out, "video to write: .mp4, .webm, .gif, or a new folder of PNGs")->required();
  command->add_option("--fps", options->fps, "frames a second [default: 25, or the video's own]");
  command->add_option("--smooth", options->animation.smooth_s, "time constant of the AUs' smoothing, seconds")
      ->capture_default_str();
  command->add_option("--ease", options->animation.ease_s, "seconds from the neutral face at the start, and back at the end")
      ->capture_default_str();
  command->add_option("--blink", options->blink, "on or off")->capture_default_str()->check(CLI::IsMember({"on", "off"}));
  command->add_option("--seed", options->animation.seed, "of the blinks' times")->capture_default_str();
  command->add_option("--no-face", options->no_face, "frames of a video without a face: error, skip (leave them), hold")
      ->capture_default_str()
      ->check(CLI::IsMember({"error", "skip", "hold"}));
  add_expression_options(*command, options->expression, Voice::kYes);
  add_face_option(*command, options->face);
  add_model_options(*command, options->model, Needs::kBoth);
  command->callback([options] { animate(*options); });
}

}  // namespace emo::cli
