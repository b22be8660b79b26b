#include <cstdio>
#include <memory>

#include "tools/emoengine/commands.h"
#include "tools/emoengine/common.h"

namespace emo::cli {
namespace {

struct AusOptions {
  std::string audio, out;  ///< out empty: print
  AudioLimits audio_limits;
  bool per_frame = false;
  double fps = 25;
  ModelOptions model;
};

void aus(const AusOptions& options) {
  const Engine engine = open_engine(options.model, Needs::kSpeech);
  Inputs inputs(options.model.quiet);
  const Clip clip = inputs.audio(options.audio, engine.speech_config().sample_rate_hz, options.audio_limits);
  AuCurve curve;
  if (options.per_frame) {
    curve = engine.aus_per_frame(clip.pcm, options.fps);
  } else {
    curve = {{0.0}, {engine.aus(clip.pcm)}};
  }
  if (!options.out.empty()) write_au_file(options.out, curve);

  if (options.out.empty() && options.per_frame) {
    std::fputs(to_csv(curve).c_str(), stdout);
  } else if (!options.model.quiet) {
    const auto line = options.per_frame ? std::to_string(curve.rows.size()) + " frames" : summary(curve.rows[0]);
    std::printf("%s: %s\n", options.out.empty() ? options.audio.c_str() : options.out.c_str(), line.c_str());
  }
}

}  // namespace

void add_aus(CLI::App& app) {
  auto* command = app.add_subcommand("aus", "the action units that a voice shows, for the clip or for each video frame");
  auto options = std::make_shared<AusOptions>();
  add_audio_options(*command, options->audio, options->audio_limits);
  command->add_option("--out,-o", options->out, "table to write: .csv (as OpenFace, 0..5), .json or .npy (0..1)");
  auto* per_frame = command->add_flag("--per-frame", options->per_frame, "a row a video frame instead of one for the clip");
  command->add_option("--fps", options->fps, "video frames a second")->capture_default_str()->needs(per_frame);
  add_model_options(*command, options->model, Needs::kSpeech);
  command->callback([options] { aus(*options); });
}

}  // namespace emo::cli
