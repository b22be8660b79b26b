#include <cstdio>
#include <memory>

#include "base/npy.h"
#include "tools/emoengine/commands.h"
#include "tools/emoengine/loader.h"
#include "tools/emoengine/options.h"
#include "tools/emoengine/outputs.h"
#include "tools/emoengine/pipes.h"

namespace emo::cli {
namespace {

struct MfccOptions {
  std::string audio, out;
  AudioLimits audio_limits;
  ModelOptions model;
};

void mfcc(const MfccOptions& options) {
  Outputs outputs;
  outputs.keep(options.audio);
  outputs.keep(options.model);
  outputs.add_file(options.out, kArrayExtensions);
  const Engine engine = open_engine(options.model, Needs::kSpeech);
  const Loader loader(options.model.quiet);
  const Clip clip = loader.audio(options.audio, engine.speech_config().sample_rate_hz, options.audio_limits);
  const Matrix features = engine.mfcc(clip.pcm);
  write_npy(options.out, std::vector<std::int64_t>{features.rows, features.cols}, features.values);
  if (!options.model.quiet) tell(options.out, concat(features.rows, " frames, ", features.cols, " features"));
}

}  // namespace

void add_mfcc(CLI::App& app) {
  auto* command = add_command(app, "mfcc", "write the MFCC of a voice, before trimming and scaling",
                              "--audio voice.wav -o features.npy");
  auto options = std::make_shared<MfccOptions>();
  add_audio_options(*command, options->audio, options->audio_limits);
  add_out_option(*command, options->out, kArrayExtensions, ".npy to write: float32 (frames, features)")->required();
  add_model_options(*command, options->model, Needs::kSpeech);
  command->callback([options] { mfcc(*options); });
}

}  // namespace emo::cli
