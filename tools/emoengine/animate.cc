#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <future>
#include <memory>
#include <optional>

#include "base/error.h"
#include "base/limits.h"
#include "engine/expression/animation.h"
#include "engine/expression/au_file.h"
#include "engine/media/video.h"
#include "engine/pipeline/face_aus.h"
#include "engine/pipeline/frames.h"
#include "engine/pipeline/shrink.h"
#include "tools/emoengine/commands.h"
#include "tools/emoengine/inputs.h"
#include "tools/emoengine/loader.h"
#include "tools/emoengine/options.h"
#include "tools/emoengine/outputs.h"
#include "tools/emoengine/pipes.h"
#include "tools/emoengine/progress.h"
#include "tools/emoengine/report.h"

namespace emo::cli {
namespace {

constexpr int kMinVideoSide = 16;
constexpr int kDriverSide = 1280;  // the detector looks no closer

struct AnimateOptions {
  std::vector<std::string> images, videos, audios;
  std::string au_file, au_face, drive, out;
  std::optional<double> neutral_at_s;
  std::optional<std::string> format;  ///< of many outputs: mp4 | webm | gif | png; none: mp4
  ImageLimits image_limits;
  AudioLimits audio_limits;
  FaceChoice face;
  std::optional<double> fps;  ///< none: the video's own, 25 for a photo
  std::optional<int> size;    ///< none: what suits the output
  AnimationOptions animation;
  Expression expression;
  double lips = 1;
  std::optional<NoFace> no_face;  ///< empty: kError for --video, kHold for --drive
  std::string blink = "on";
  bool resume = false;
  ModelOptions model;
};

/// While it lives, SIGINT and SIGTERM ask for an end instead of making one, unless the caller had them ignored.
class Interruptible {
 public:
  Interruptible() {
    for (std::size_t i = 0; i < 2; ++i) {
      before_[i] = std::signal(kSignals[i], [](int signal) { asked_ = signal; });
      if (before_[i] == SIG_IGN) std::signal(kSignals[i], SIG_IGN);
    }
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

/// One video to make.
struct Job {
  std::string source;  ///< photo or video
  std::string audio;   ///< may be empty
  std::filesystem::path out;
  std::string format;  ///< mp4 | webm | gif | png; empty: as the name of `out` ends
};

void check_together(const AnimateOptions& options) {
  if (options.images.empty() == options.videos.empty()) {
    fail(ErrorKind::kUsage, "animate: give one of --image and --video");
  }
  if (!options.au_file.empty() && !options.drive.empty()) {
    fail(ErrorKind::kUsage, "animate: give one of --au-file and --drive; both say how the face moves");
  }
  if (options.videos.empty() && options.audios.empty() && options.au_file.empty() && options.drive.empty()) {
    fail(ErrorKind::kUsage, "animate: nothing says how a photo moves; give --audio, --drive or --au-file");
  }
  if (!options.videos.empty() && options.model.drawing.relative) {
    fail(ErrorKind::kUsage, "--relative goes with --image; what the face of a video shows changes from frame to frame");
  }
  if (!options.videos.empty() && (options.face.all || options.face.number > 1)) {
    fail(ErrorKind::kUsage, "--face goes with --image; in a video the largest face of the first frame is followed");
  }
}

/// Whether a video's own sound is what drives its face: nothing else says how it looks.
bool driven_by_own_sound(const AnimateOptions& options) {
  return !options.videos.empty() && options.audios.empty() && options.au_file.empty() && options.drive.empty() &&
         options.expression.emotion.empty() && options.expression.au.empty();
}

/// The expressions of the face in the video that drives.
AuCurve driver_curve(const AnimateOptions& options, VideoReader& driver, const Engine& engine, double& seconds) {
  if (!engine.has_reader())
    fail(ErrorKind::kUsage, "--drive: the face reader reads the driver's face; leave --reader none away");
  const AuCurve read = read_face_aus(engine, driver, options.drive);
  const auto without = std::ranges::count(read.confidence, 0.f);
  const NoFace no_face = options.no_face.value_or(NoFace::kHold);
  if (without > 0 && no_face == NoFace::kError) {
    const auto first = std::ranges::find(read.confidence, 0.f) - read.confidence.begin();
    fail(ErrorKind::kInput, options.drive, ": no face was found at ", read.times_s[std::size_t(first)],
         " s; use --no-face skip for the neutral face there, or --no-face hold for what lies around");
  }
  if (without > 0 && !options.model.quiet) {
    note(concat(options.drive, ": no face in ", without, " of ", read.rows(), " frames; ",
                no_face == NoFace::kHold ? "what lies around drives there" : "the face is neutral there"));
  }
  seconds = (std::round(read.times_s.back() * driver.fps()) + 1) / driver.fps();
  const AuCurve driven = driving(read, engine.generator_config().au_names, options.neutral_at_s);
  if (no_face == NoFace::kHold) return driven;
  AuCurve all(driven.names, read.times_s);
  for (std::size_t i = 0, next = 0; i < all.rows(); ++i) {
    if (read.confidence[i] > 0) all.set_row(i, driven.row(next++));
  }
  return all;
}

/// What drives the face: another's, the file's rows or the voice's, else what the video says, else the neutral face, each
/// with what was asked on top; before smoothing. `seconds` receives how long it lasts, 0: as long as the sound or the video.
AuCurve wanted_curve(const AnimateOptions& options, const Job& job, VideoReader* driver, const Engine& engine,
                     const Loader& loader, double fps, double& seconds) {
  AuCurve curve;
  std::optional<Voice> voice;
  seconds = 0;
  if (!options.au_file.empty()) {
    curve = loader.aus(options.au_file, engine.generator_config().au_names, {fps, options.au_face});
    // OpenFace rounds times to milliseconds. A table of one row has none: the face is so all the time.
    if (curve.rows() > 1) seconds = (std::round(curve.times_s.back() * fps) + 1) / fps;
  } else if (driver) {
    curve = driver_curve(options, *driver, engine, seconds);
  } else if (!job.audio.empty()) {
    voice.emplace(engine.hear(loader.audio(job.audio, engine.speech_config().sample_rate_hz, options.audio_limits).pcm));
    note_speech(job.audio, voice->holds_speech(), options.model.quiet);
    curve = voice->per_frame(fps);
    seconds = voice->seconds();
  } else if (driven_by_own_sound(options)) {
    const Clip own = media().load_video_sound(job.source, engine.speech_config().sample_rate_hz, options.audio_limits);
    if (own.pcm.empty()) {
      fail(ErrorKind::kInput, job.source,
           ": has no sound, and nothing else says how its face looks; give --audio, --au-file, --emotion or --au");
    }
    voice.emplace(engine.hear(own.pcm));
    if (!options.model.quiet) note(job.source + ": its own sound drives the face");
    note_speech(job.source, voice->holds_speech(), options.model.quiet);
    curve = voice->per_frame(fps);
  } else {
    curve = AuCurve(engine.generator_config().au_names, {0.0});
  }
  options.expression.apply(curve);
  if (voice) voice->add_lips(curve, options.lips);
  return curve;
}

/// Brings sound beyond full scale to it: an encoder would cut the peaks off. Returns the peak, at least 1.
float turn_down(Clip& sound) {
  float peak = 1;
  for (const float x : sound.pcm) peak = std::max(peak, std::abs(x));
  if (peak > 1) {  // seldom: ten minutes are 29 million samples to go through again
    for (float& x : sound.pcm) x /= peak;
  }
  return peak;
}

/// That a video and what drives it do not last alike, and what of the longer is not shown; empty for less than 0.1 s.
std::string left_out(const char* driver, double driver_s, double video_s) {
  if (std::abs(driver_s - video_s) < 0.1) return "";
  const bool driver_ends = driver_s < video_s;
  char text[96];
  std::snprintf(text, sizeof text, "; ends with the %s, %.1f s of the %s left out", driver_ends ? driver : "video",
                std::abs(driver_s - video_s), driver_ends ? "video" : driver);
  return text;
}

/// Scales a photo down to a long side, and its faces with it.
void shrink(Image& photo, std::vector<Box>& faces, int size) {
  const int width = photo.width;
  photo = shrunk(std::move(photo), size);
  const float share = float(photo.width) / float(width);
  for (Box& face : faces) face = {face.x * share, face.y * share, face.side * share, face.roll};
}

/// Makes one video; false when a signal asked for an end, which is told.
bool animate_one(const AnimateOptions& options, const Job& job, const std::shared_future<Engine>& opening,
                 const std::string& title) {
  const auto start = Progress::Clock::now();
  const Loader loader(options.model.quiet);
  AnimationOptions animation = options.animation;
  animation.blink = options.blink == "on" && options.drive.empty();  // the driver blinks
  animation.lips_move = options.lips > 0 && options.drive.empty();
  std::unique_ptr<VideoReader> reader, driver;
  const VideoKind kind = video().kind(job.out, job.format);  // refuses a name before anything is drawn
  const int size = options.size.value_or(kind.usual_side);
  if (!options.videos.empty()) reader = video().read(job.source, options.image_limits, size);
  if (!options.fps && reader) animation.fps = std::clamp(reader->fps(), limits::kMinFps, kind.max_fps);
  if (!options.drive.empty()) driver = video().read(options.drive, options.image_limits, kDriverSide);
  if (driver && !reader) animation.fps = std::clamp(driver->fps(), limits::kMinFps, kind.max_fps);
  if (options.fps) animation.fps = *options.fps;

  Image photo;
  std::vector<Box> faces;
  if (!reader) {
    photo = flattened(loader.image(job.source, options.image_limits));
    faces = choose_faces(open_engine(options.model, Needs::kReader), photo, job.source, options.face);
  }
  const int side = reader ? reader->side() : std::max(photo.width, photo.height);
  if (size > 0 && side > size) {
    if (!reader) shrink(photo, faces, size);
    if (!options.size && !options.model.quiet) {
      note(concat(job.source, ": its long side of ", side, " px becomes ", size, " in ", job.out.string(), "; --size ", side,
                  " keeps it"));
    }
  }
  const Engine& engine = opening.get();
  double seconds = 0;
  AuCurve curve = wanted_curve(options, job, driver.get(), engine, loader, animation.fps, seconds);
  // Read after the voice has gone, whose features take 100 MB in ten minutes, and the sound 115.
  Clip sound;
  if (!job.audio.empty()) {
    sound = loader.audio(job.audio, Video::kSoundRateHz, options.audio_limits);
    seconds = sound.seconds();
  } else if (reader || !options.drive.empty()) {
    sound = media().load_video_sound(options.drive.empty() ? job.source : options.drive, Video::kSoundRateHz,
                                     options.audio_limits);
  }
  const float peak = turn_down(sound);
  if (peak >= 1.5f && !options.model.quiet) {  // resampling what was cut at full scale goes over by up to 0.3
    note(concat(job.audio.empty() ? job.source : job.audio, " goes to ", peak,
                " where full scale is 1; the video's sound is turned down to it"));
  }
  if (!reader && seconds == 0) {
    fail(ErrorKind::kUsage, options.au_file,
         ": has one row, which is no movement; make a table with aus --per-frame, or give --audio for its length");
  }
  // As long as the sound, else the curve; not longer than the video.
  std::string remark;
  if (reader && seconds > 0) {
    const char* driver = !job.audio.empty() ? "voice" : options.drive.empty() ? "table" : "driver";
    remark = left_out(driver, seconds, reader->seconds());
    seconds = std::min(seconds, reader->seconds());
  } else if (reader) {
    seconds = reader->seconds();
  }
  if (seconds > options.audio_limits.max_seconds) {
    fail(ErrorKind::kInput, options.au_file.empty() ? job.source : options.au_file, ": lasts ", seconds, " s; at most ",
         options.audio_limits.max_seconds, " s are taken. Cut it, or raise --max-audio-s");
  }
  const Interruptible interruptible;
  VideoOptions into{animation.fps, std::move(sound), job.format};
  if (const int pipe = descriptor_of(job.out); pipe >= 0) {
    into.sink = [pipe](std::span<const std::uint8_t> bytes) { return write_all(pipe, std::as_bytes(bytes)); };
  }
  const auto writer = video().write(job.out, std::move(into));
  const auto frames = std::size_t(std::max(1.0, std::ceil(seconds * animation.fps - 1e-3)));
  curve = animation_curve(curve, frames, animation);

  const auto source =
      reader ? video_source(engine, std::move(reader), job.source, animation.fps, options.no_face.value_or(NoFace::kError),
                            std::move(curve))
             : photo_source(std::make_shared<const Still>(engine, std::move(photo), std::move(faces), options.model.drawing),
                            std::move(curve));
  std::string summary;
  Drawn drawn;
  bool interrupted;
  {
    Progress progress(title, "frame", frames, options.model.quiet, start);
    drawn = draw(engine, *source, *writer,
                 {.drawing = options.model.drawing,
                  .stop = [] { return Interruptible::signal() != 0; },
                  .drawn = [&] { progress.step(); }});
    interrupted = Interruptible::signal() && drawn.frames < frames;
    interrupted ? writer->interrupt() : writer->finish();
    summary = progress.summary();
  }
  if (interrupted) {
    const std::string left =
        drawn.frames > 0 ? writer->part().string() + " plays up to there, till the next run" : "nothing was written";
    std::fprintf(messages(), "emoengine: interrupted after %zu of %zu frames; %s\n", drawn.frames, frames,
                 one_line(left).c_str());
    return false;
  }
  if (options.model.quiet) return true;
  if (drawn.frames < frames) {
    char text[96];
    std::snprintf(text, sizeof text, ": ends after %.2f of the %.2f s that it says to have; the result does too",
                  double(drawn.frames) / animation.fps, seconds);
    note(job.source + text);
  }
  if (drawn.without_face > 0) summary += concat("; no face in ", drawn.without_face, " of them");
  if (!writer->remark().empty()) summary += "; " + writer->remark();
  summary += remark;
  tell(job.out, summary);
  return true;
}

/// Ends the program by the signal that asked for it, so that a script which waits for it sees why; what there was to tell
/// is told.
void end_by_signal(const Failures& failures) {
  if (const std::string text = failures.text(); !text.empty()) std::fprintf(messages(), "emoengine: %s\n", text.c_str());
  tell_notes();
  std::fflush(stdout);
  std::signal(Interruptible::signal(), SIG_DFL);
  std::raise(Interruptible::signal());
}

/// Every photo or video with every voice.
void animate(const AnimateOptions& options) {
  check_together(options);
  const Inputs sources = options.videos.empty() ? find_inputs(options.images, InputKind::kPictures)
                                                : find_inputs(options.videos, InputKind::kVideos);
  Inputs audios = find_inputs(options.audios, InputKind::kSounds);
  if (audios.files.empty()) audios.files.emplace_back();
  const bool many = sources.many || audios.many;
  const bool piped = options.out == "-";
  if (!many && options.format && !piped) {
    fail(ErrorKind::kUsage, "--format is of many videos; the ending of -o says that of one, and ", options.out, " is one");
  }
  if (piped && (many || !options.format || options.format == "png")) {
    fail(ErrorKind::kUsage, "-o -: one video goes to standard output; name one input, and give --format mp4, webm or gif");
  }
  const std::string out = piped ? standard_output("." + *options.format) : options.out;
  const std::string format = many ? options.format.value_or("mp4") : "", extension = format == "png" ? "" : "." + format;
  const bool into_folders = many ? extension.empty() : std::filesystem::path(out).extension().empty();
  Outputs outputs;
  outputs.keep(sources.files);
  outputs.keep(audios.files);
  outputs.keep(options.au_file);
  outputs.keep(options.drive);
  outputs.keep(options.model);
  ManyOutputs in_folder(out, options.resume, outputs);
  std::vector<Job> jobs;
  for (const auto& source : sources.files) {
    for (const auto& audio : audios.files) {
      Job job{source, audio, out, format};
      if (many) {
        const std::string name = stem(source) + (audio.empty() ? "" : "_" + stem(audio)) + extension;
        const std::string inputs = source + (audio.empty() ? "" : " with " + audio);
        job.out = in_folder.add(name, inputs, into_folders);
        in_folder.reserve(part_of(name).string(), inputs);  // an interrupted run's may be an input
        if (job.out.empty()) continue;
      } else if (options.resume && is_written(job.out, into_folders)) {
        return tell_all_written(options.out, options.model.quiet);
      }
      jobs.push_back(std::move(job));
    }
  }
  if (many && !in_folder.begin(options.model.quiet)) return;
  if (!many) {
    into_folders ? outputs.add(jobs[0].out) : outputs.add_file(jobs[0].out);
    outputs.add(part_of(jobs[0].out));
  }
  // The models are opened while the first photo is read and searched: neither needs the other.
  const bool hears =
      driven_by_own_sound(options) || (!options.audios.empty() && options.au_file.empty() && options.drive.empty());
  const Needs needs = hears ? Needs::kBoth : Needs::kGenerator;
  const std::shared_future<Engine> opening =
      std::async(std::launch::async, [&] { return open_engine(options.model, needs); }).share();
  Failures failures;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    const auto title = many ? concat("animate ", i + 1, " of ", jobs.size()) : "animate";
    bool whole = true;
    const auto work = [&] { whole = animate_one(options, jobs[i], opening, title); };
    many ? void(failures.attempt(work)) : work();
    if (!whole) end_by_signal(failures);
  }
  failures.report();
}

}  // namespace

void add_animate(CLI::App& app) {
  auto* command = add_command(app, "animate", "make a video of a face that moves with a voice or a table of AUs",
                              "--image face.jpg --audio voice.wav -o out.mp4");
  auto options = std::make_shared<AnimateOptions>();
  add_image_options(*command, options->images, options->image_limits);
  command->get_option("--image")->required(false);
  command->add_option("--video", options->videos,
                      "videos, folders, patterns instead of photos; follows the face, which the video's own sound drives if "
                      "nothing else does");
  add_audio_options(*command, options->audios, options->audio_limits);
  command->get_option("--audio")->required(false);
  auto* au_file = takes_standard_input(command->add_option(
      "--au-file", options->au_file,
      "AUs over time instead of the voice's: .csv, .json or .npy as aus, OpenFace or py-feat writes it; -: standard input"));
  add_au_face_option(*command, options->au_face)->needs(au_file);
  auto* drive = command->add_option(
      "--drive", options->drive,
      "a video whose face drives: its expressions, as changes from its resting face, and its sound if no --audio is given");
  command
      ->add_option("--neutral-at", options->neutral_at_s,
                   "second of the driver at which its face rests [default: of each AU the 10th percentile]")
      ->check(within(0, 86'400))
      ->needs(drive);
  command
      ->add_option("--out,-o", options->out,
                   "video to write: .mp4, .webm, .gif, or a new folder of PNGs; with many inputs a folder, for "
                   "PHOTO_VOICE.mp4; -: standard output")
      ->required();
  command
      ->add_option("--format", options->format,
                   "with many videos: mp4, webm, gif, or png for folders of PNGs [default: mp4]; of one to standard output")
      ->check(CLI::IsMember({"mp4", "webm", "gif", "png"}));
  command->add_option("--fps", options->fps, "frames a second [default: 25, or the video's own]; a GIF takes at most 50")
      ->check(within(limits::kMinFps, limits::kMaxFps));
  command
      ->add_option("--size", options->size,
                   "long side of the video, px, where the photo or video is larger [default: 1920, GIF 480, PNGs any]")
      ->check(whole(kMinVideoSide, limits::kMaxImageSide));
  command->add_option("--smooth", options->animation.smooth_s, "smooth the AUs with this time constant, seconds")
      ->capture_default_str()
      ->check(within(0, limits::kMaxSmoothSeconds));
  command
      ->add_option("--ease", options->animation.ease_s,
                   "seconds to ease in from the neutral face at the start, and back to it at the end")
      ->capture_default_str()
      ->check(within(0, limits::kMaxEaseSeconds));
  add_lips_option(*command, options->lips)->excludes(drive);
  command->add_option("--blink", options->blink, "blink now and then: on or off")
      ->capture_default_str()
      ->check(CLI::IsMember({"on", "off"}));
  command->add_option("--seed", options->animation.seed, "seed of the times of the blinks")
      ->capture_default_str()
      ->check(whole(0, 4294967295));
  const std::map<std::string, NoFace> no_face = {
      {"error", NoFace::kError}, {"skip", NoFace::kSkip}, {"hold", NoFace::kHold}};
  add_choice(
      *command, "--no-face", options->no_face, no_face,
      "frames without a face, of --video: error (stop), skip (leave them), hold (redraw it where it was) [default: error]; "
      "of --drive: error, skip (the face is neutral there), hold (what lies around drives) [default: hold]");
  add_expression_options(*command, options->expression, WithVoice::kYes);
  add_relative_option(*command, options->model);
  add_face_option(*command, options->face);
  add_resume_option(*command, options->resume);
  add_passes_option(*command, options->model);
  add_model_options(*command, options->model, Needs::kBoth);
  add_detail_option(*command, options->model);
  command->callback([options] { animate(*options); });
}

}  // namespace emo::cli
