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
class PhotoSource final : public Source {
 public:
  explicit PhotoSource(Frame photo) : photo_(std::move(photo)) {}
  void next(Frame& frame) override { frame = photo_; }

 private:
  const Frame photo_;
};

/// Frames of a video at the output's rate: for each the last that began before it, the face followed from one to the next.
class VideoSource final : public Source {
 public:
  VideoSource(VideoReader& reader, const AnimateOptions& options, double fps)
      : reader_(reader), options_(options), fps_(fps) {}

  void next(Frame& frame) override {
    const double t = double(index_++) / fps_ + 0.25 / fps_;  // times in files are rounded
    bool changed = false;
    if (!started_ && !reader_.read(coming_, coming_s_)) fail(ErrorKind::kInput, options_.video, ": holds no frame");
    while (!ended_ && (!started_ || coming_s_ <= t)) {
      std::swap(current_.picture, coming_);
      started_ = changed = true;
      ended_ = !reader_.read(coming_, coming_s_);
    }
    if (changed) follow_face();
    frame = current_;
  }

 private:
  void follow_face() {
    std::optional<Box> face = tracker_.next(current_.picture);
    if (!face && options_.no_face == "error") {
      char time[32];
      std::snprintf(time, sizeof time, "%.2f", double(index_ - 1) / fps_);
      fail(ErrorKind::kInput, options_.video, ": no face was found at ", time,
           " s; use --no-face skip to leave such frames as they are, or --no-face hold to go on where it was");
    }
    if (!face && options_.no_face == "hold") face = tracker_.last();
    current_.faces.clear();
    if (face) current_.faces.push_back(*face);
  }

  VideoReader& reader_;
  const AnimateOptions& options_;
  const double fps_;
  FaceTracker tracker_{[](const Image& picture, int looks) { return media().find_faces(picture, nullptr, looks); }};
  std::size_t index_ = 0;
  bool started_ = false, ended_ = false;
  Image coming_;  ///< the frame after the current one unless it has ended, beginning at coming_s_
  double coming_s_ = 0;
  Frame current_;
};

/// Three threads, between which a few frames go round: the source (decode, find), the generator here, the file (encode,
/// write). Returns how many frames were written: fewer than the curve has when a signal came.
std::size_t draw(const Engine& engine, Source& source, const AuCurve& curve, VideoWriter& writer, Progress& progress) {
  constexpr std::size_t kFrames = 5;  // one in each hand and one on each way
  BoundedQueue<Frame> free(kFrames), to_redraw(kFrames), to_write(kFrames);
  for (std::size_t i = 0; i < kFrames; ++i) free.push({});
  std::size_t written = 0;
  struct Close {  // whichever thread ends, by an error too, ends the others
    std::vector<BoundedQueue<Frame>*> queues;
    ~Close() {
      for (auto* queue : queues) queue->close();
    }
  };
  auto reading = std::async(std::launch::async, [&] {
    const Close close{{&to_redraw}};
    for (std::size_t i = 0; i < curve.rows.size(); ++i) {
      std::optional<Frame> frame = free.pop();
      if (!frame) return;
      source.next(*frame);
      if (!to_redraw.push(std::move(*frame))) return;
    }
  });
  auto writing = std::async(std::launch::async, [&] {
    const Close close{{&to_write, &free}};
    while (std::optional<Frame> frame = to_write.pop()) {
      writer.add(frame->picture);
      progress.step();
      ++written;
      free.push(std::move(*frame));
    }
  });
  {
    const Close close{{&free, &to_redraw, &to_write}};
    for (const ActionUnits& au : curve.rows) {
      if (Interruptible::signal()) break;
      std::optional<Frame> frame = to_redraw.pop();
      if (!frame) break;
      engine.redraw(frame->picture, frame->faces, au);
      if (!to_write.push(std::move(*frame))) break;
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

  Frame photo;
  if (!reader) {
    photo.picture = loader.image(options.image, options.image_limits);
    photo.faces = choose_faces(photo.picture, options.image, options.face);
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
    source = std::make_unique<VideoSource>(*reader, options, animation.fps);
  } else {
    source = std::make_unique<PhotoSource>(std::move(photo));
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
