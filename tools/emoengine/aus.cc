#include <cstdio>
#include <memory>

#include "base/error.h"
#include "engine/expression/au_file.h"
#include "engine/installation.h"
#include "engine/pipeline/face_aus.h"
#include "tools/emoengine/au_plot.h"
#include "tools/emoengine/commands.h"
#include "tools/emoengine/gnuplot.h"
#include "tools/emoengine/inputs.h"
#include "tools/emoengine/loader.h"
#include "tools/emoengine/options.h"
#include "tools/emoengine/outputs.h"
#include "tools/emoengine/pipes.h"
#include "tools/emoengine/report.h"

namespace emo::cli {
namespace {

struct AusOptions {
  std::vector<std::string> audios;
  std::string image, video, neutral;  ///< of faces instead of voices
  ImageLimits image_limits;
  std::string out, plot;  ///< out empty: print
  AudioLimits audio_limits;
  bool per_frame = false, resume = false;
  double fps = 25;
  Expression expression;
  double lips = 1;
  ModelOptions model;
};

/// A clip and what is to be written of it; empty: nothing.
struct AusTask {
  std::string audio;
  std::filesystem::path out, plot;
};

/// Writes the table and the plot, where they are named, and says what was found.
void aus_of(const AusOptions& options, const Engine& engine, const AusTask& task) {
  const auto& [audio, out, plot] = task;
  const Loader loader(options.model.quiet);
  const Clip clip = loader.audio(audio, engine.speech_config().sample_rate_hz, options.audio_limits);
  const Voice voice = engine.hear(clip.pcm);
  note_speech(audio, voice.holds_speech(), options.model.quiet);
  const ActionUnits whole = options.expression.over(voice.whole());
  AuCurve curve;
  if (options.per_frame || !plot.empty()) {
    curve = voice.per_frame(options.fps);
    options.expression.apply(curve);
    voice.add_lips(curve, options.lips);
  }
  if (!plot.empty()) {
    const auto title = std::filesystem::path(audio).filename().string();
    write_au_plot(plot, title + ", as a whole " + describe(read_emotion(whole)), clip, curve);
  }
  AuCurve table = std::move(curve);
  if (!options.per_frame) {
    table = AuCurve(whole.names(), {0.0});
    table.set_row(0, whole);
  }
  if (!out.empty()) write_au_file(out, table);

  if (out.empty() && plot.empty() && options.per_frame) {
    std::fputs(to_csv(table).c_str(), stdout);
  } else if (!options.model.quiet) {
    const auto line = options.per_frame ? std::to_string(table.rows()) + " frames" : summary(whole);
    tell(out.empty() ? plot.empty() ? audio : plot.string() : out.string(), line);
  }
}

/// AUs of the faces of a photo, or of the largest face of a video.
void aus_of_faces(const AusOptions& options) {
  const bool of_photo = options.video.empty();
  const std::string& source = of_photo ? options.image : options.video;
  if (!options.plot.empty() || options.per_frame || options.resume) {
    fail(ErrorKind::kUsage, "aus: --plot, --per-frame and --resume go with --audio; a video has a row for each frame");
  }
  Outputs outputs;
  outputs.keep(source);
  outputs.keep(options.neutral);
  outputs.keep(options.model);
  outputs.add_file(options.out, kAuFileExtensions);
  const Engine engine = open_engine(options.model, Needs::kReader);
  if (!engine.has_reader()) {
    default_weights("reader.safetensors");  // says where it was looked for
    fail(ErrorKind::kUsage, "aus: faces cannot be read with --reader none");
  }
  const Loader loader(options.model.quiet);
  const auto read_photo = [&](const std::string& file) {
    return read_face_aus(engine, flattened(loader.image(file, options.image_limits)), file);
  };
  AuCurve curve = of_photo ? read_photo(source) : read_face_aus(engine, *video().read(source, options.image_limits), source);
  if (!options.neutral.empty()) calibrate(curve, read_photo(options.neutral).row(0));
  options.expression.apply(curve);
  const AuRows rows = of_photo ? AuRows::kFaces : AuRows::kFrames;
  if (options.out.empty()) {
    std::fputs(to_csv(curve, rows).c_str(), stdout);
  } else {
    write_au_file(options.out, curve, rows);
    const auto line = of_photo ? summary(curve.row(0)) : std::to_string(curve.rows()) + " frames";
    if (!options.model.quiet) tell(options.out, line);
  }
}

void aus(const AusOptions& options) {
  const int sources = !options.audios.empty() + !options.image.empty() + !options.video.empty();
  if (sources != 1) {
    fail(ErrorKind::kUsage, "aus: ", sources == 0 ? "nothing to read; " : "several sources came; ",
         "give one of --audio, --image and --video");
  }
  if (options.audios.empty()) return aus_of_faces(options);
  if (!options.neutral.empty()) fail(ErrorKind::kUsage, "aus: --neutral goes with --image or --video");
  const Inputs audios = find_inputs(options.audios, InputKind::kSounds);
  const bool writes = !options.out.empty() || !options.plot.empty();
  if (audios.many && options.per_frame && !writes) {
    fail(ErrorKind::kUsage, "aus: the frames of many clips would run into each other; name a folder with -o");
  }
  Outputs outputs;
  outputs.keep(audios.files);
  outputs.keep(options.model);
  ManyOutputs tables(options.out, options.resume, outputs), plots(options.plot, options.resume, outputs);
  std::vector<AusTask> tasks;
  for (const auto& audio : audios.files) {
    AusTask task{audio, options.out, options.plot};
    if (audios.many) {
      if (!options.out.empty()) task.out = tables.add(stem(audio) + ".csv", audio);
      if (!options.plot.empty()) task.plot = plots.add(stem(audio) + ".png", audio);
    } else if (options.resume) {
      if (is_written(task.out)) task.out.clear();
      if (is_written(task.plot)) task.plot.clear();
    }
    if (!writes || !task.out.empty() || !task.plot.empty()) tasks.push_back(std::move(task));
  }
  if (tasks.empty()) return tell_all_written(options.out.empty() ? options.plot : options.out, options.model.quiet);
  if (tables.count() > 0) tables.make_folder();
  if (plots.count() > 0) plots.make_folder();
  if (!audios.many) {
    outputs.add_file(tasks[0].out, kAuFileExtensions);
    outputs.add_file(tasks[0].plot, kPlotExtensions);
  }
  const Engine engine = open_engine(options.model, Needs::kSpeech);
  Failures failures;
  for (const AusTask& task : tasks) {
    const auto work = [&] { aus_of(options, engine, task); };
    audios.many ? void(failures.attempt(work)) : work();
  }
  failures.report();
}

}  // namespace

void add_aus(CLI::App& app) {
  auto* command = add_command(app, "aus", "read AUs from a voice, or from the face in a photo or video",
                              "--audio voice.wav --per-frame --fps 25 -o curve.csv");
  auto options = std::make_shared<AusOptions>();
  add_audio_options(*command, options->audios, options->audio_limits)->required(false);
  add_image_options(*command, options->image, options->image_limits)
      ->required(false)
      ->description("instead of a voice: a photo whose faces are read, a row each");
  command->add_option("--video", options->video, "instead of a voice: a video whose largest face is read, a row a frame");
  takes_standard_input(
      command->add_option("--neutral", options->neutral,
                          "with --image or --video: a photo of the same person's neutral face, from which AUs are counted"));
  add_out_option(*command, options->out, kAuFileExtensions,
                 "table to write: .csv (as OpenFace, 0..5), .json or .npy (0..1); many: a folder");
  command->add_option("--plot", options->plot, "figure of the curves to write: .png or .svg; with many clips a folder");
  command->add_flag("--per-frame", options->per_frame, "write a row for each video frame instead of one for the clip");
  command->add_option("--fps", options->fps, "frames a second, for --per-frame and --plot")->capture_default_str();
  add_expression_options(*command, options->expression, WithVoice::kYes);
  add_lips_option(*command, options->lips);
  add_resume_option(*command, options->resume);
  add_model_options(*command, options->model, Needs::kSpeech);
  add_reader_option(*command, options->model);
  command->callback([options] { aus(*options); });
}

}  // namespace emo::cli
