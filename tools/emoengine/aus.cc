#include <cstdio>
#include <memory>

#include "base/error.h"
#include "tools/emoengine/au_plot.h"
#include "tools/emoengine/commands.h"
#include "tools/emoengine/gnuplot.h"
#include "tools/emoengine/inputs.h"
#include "tools/emoengine/loader.h"
#include "tools/emoengine/options.h"
#include "tools/emoengine/outputs.h"
#include "tools/emoengine/report.h"

namespace emo::cli {
namespace {

struct AusOptions {
  std::vector<std::string> audios;
  std::string out, plot;  ///< out empty: print
  AudioLimits audio_limits;
  bool per_frame = false, resume = false;
  double fps = 25;
  Expression expression;
  ModelOptions model;
};

/// Writes the table and the plot, where they are named, and says what was found.
void aus_of(const AusOptions& options, const Engine& engine, const std::string& audio, const std::filesystem::path& out,
            const std::filesystem::path& plot) {
  const Loader loader(options.model.quiet);
  const Clip clip = loader.audio(audio, engine.speech_config().sample_rate_hz, options.audio_limits);
  const ActionUnits whole = options.expression.over(engine.aus(clip.pcm));
  AuCurve curve;
  if (options.per_frame || !plot.empty()) {
    curve = engine.aus_per_frame(clip.pcm, options.fps);
    for (ActionUnits& row : curve.rows) row = options.expression.over(row);
  }
  if (!plot.empty()) {
    const auto title = std::filesystem::path(audio).filename().string();
    write_au_plot(plot, title + ", as a whole " + describe(read_emotion(whole)), clip, curve);
  }
  const AuCurve table = options.per_frame ? std::move(curve) : AuCurve{{0.0}, {whole}};
  if (!out.empty()) write_au_file(out, table);

  if (out.empty() && plot.empty() && options.per_frame) {
    std::fputs(to_csv(table).c_str(), stdout);
  } else if (!options.model.quiet) {
    const auto line = options.per_frame ? std::to_string(table.rows.size()) + " frames" : summary(whole);
    std::printf("%s: %s\n", (out.empty() ? plot.empty() ? audio : plot.string() : out.string()).c_str(), line.c_str());
  }
}

void aus(const AusOptions& options) {
  const Inputs audios = find_inputs(options.audios, InputKind::kSounds);
  OutputFolder tables(options.out), plots(options.plot);
  std::vector<std::filesystem::path> outs, plot_outs;
  for (const auto& audio : audios.files) {
    const auto name = [&](OutputFolder& folder, const std::string& given, const char* extension) {
      return !audios.many || given.empty() ? std::filesystem::path(given) : folder.claim(stem(audio) + extension, audio);
    };
    outs.push_back(name(tables, options.out, ".csv"));
    plot_outs.push_back(name(plots, options.plot, ".png"));
  }
  if (audios.many && options.per_frame && options.out.empty() && options.plot.empty()) {
    fail(ErrorKind::kUsage, "aus: the frames of many clips would run into each other; name a folder with -o");
  }
  // With --resume a clip is left out when all that it would give is there.
  const auto there = [](const std::filesystem::path& path) { return path.empty() || is_written(path); };
  std::vector<std::size_t> needed;
  for (std::size_t i = 0; i < audios.files.size(); ++i) {
    const bool writes = !outs[i].empty() || !plot_outs[i].empty();
    if (!(options.resume && writes && there(outs[i]) && there(plot_outs[i]))) needed.push_back(i);
  }
  if (needed.empty()) return tell_all_written(options.out.empty() ? options.plot : options.out, options.model.quiet);
  if (audios.many && !options.out.empty()) tables.make();
  if (audios.many && !options.plot.empty()) plots.make();
  Outputs outputs;
  outputs.keep(audios.files);
  outputs.keep(options.model);
  for (const std::size_t i : needed) {
    outputs.add_file(outs[i], kAuFileExtensions);
    outputs.add_file(plot_outs[i], kPlotExtensions);
  }
  const Engine engine = open_engine(options.model, Needs::kSpeech);
  Failures failures;
  for (const std::size_t i : needed) {
    const auto work = [&] { aus_of(options, engine, audios.files[i], outs[i], plot_outs[i]); };
    audios.many ? void(failures.attempt(work)) : work();
  }
  failures.report();
}

}  // namespace

void add_aus(CLI::App& app) {
  auto* command = add_command(app, "aus", "the action units that a voice shows, for the clip or for each video frame",
                              "--audio voice.wav --per-frame --fps 25 -o curve.csv");
  auto options = std::make_shared<AusOptions>();
  add_audio_options(*command, options->audios, options->audio_limits);
  command->add_option("--out,-o", options->out,
                      "table to write: .csv (as OpenFace, 0..5), .json or .npy (0..1); many: a folder");
  command->add_option("--plot", options->plot, "figure of the curves to write: .png or .svg; with many clips a folder");
  command->add_flag("--per-frame", options->per_frame, "a row a video frame instead of one for the clip");
  command->add_option("--fps", options->fps, "video frames a second, for --per-frame and --plot")->capture_default_str();
  add_expression_options(*command, options->expression, Voice::kYes);
  add_resume_option(*command, options->resume);
  add_model_options(*command, options->model, Needs::kSpeech);
  command->callback([options] { aus(*options); });
}

}  // namespace emo::cli
