#include <cstdio>
#include <future>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "tools/emoengine/commands.h"
#include "tools/emoengine/common.h"

namespace emo::cli {
namespace {

struct RunOptions {
  std::string image, audio, out;
  ImageLimits image_limits;
  AudioLimits audio_limits;
  FaceChoice face;
  std::string output = "photo";  ///< photo | face
  double intensity = 1.0;
  bool json = false;
  ModelOptions model;
};

void run(const RunOptions& options) {
  if (options.output == "face" && options.face.which == "all") {
    fail(ErrorKind::kUsage, "--output face writes one face; choose it with --face largest or --face N");
  }
  StageClock clock;
  Inputs inputs(options.model.quiet);
  // The models are opened while the photo is read and searched: neither needs the other.
  auto opening = std::async(std::launch::async, [&] { return open_engine(options.model, Needs::kBoth); });
  clock.time("media", [] { media(); });
  Image photo = clock.time("image", [&] { return inputs.image(options.image, options.image_limits); });
  const auto faces = clock.time("faces", [&] { return choose_faces(photo, options.image, options.face); });
  const Engine engine = clock.time("models", [&] { return opening.get(); });
  const Clip clip = clock.time(
      "audio", [&] { return inputs.audio(options.audio, engine.speech_config().sample_rate_hz, options.audio_limits); });
  const ActionUnits au = clock.time("speech", [&] { return engine.aus(clip.pcm).scaled(options.intensity); });

  // All faces are redrawn from the photo as it came, so that one never shows in another's crop.
  std::vector<Face> redrawn;
  for (const Box& face : faces) redrawn.push_back(clock.time("generate", [&] { return engine.generate(photo, face, au); }));
  if (options.output == "face") {
    const int side = redrawn[0].side;
    photo = engine.to_image({redrawn[0].after.data(), {1, 3, side, side}});
  } else {
    for (std::size_t i = 0; i < faces.size(); ++i) clock.time("paste", [&] { engine.paste(photo, faces[i], redrawn[i]); });
  }
  clock.time("save", [&] { media().save_image(options.out, photo); });

  if (options.json) {
    nlohmann::ordered_json json;
    json["image"] = options.image;
    json["audio"] = options.audio;
    json["output"] = options.out;
    json["audio_seconds"] = clip.seconds();
    json["au"] = to_json(au);
    json["emotion"] = to_json(read_emotion(au));
    for (const Box& face : faces) {
      const Box crop = scaled(face, engine.generator_config().crop_scale);
      json["crops"].push_back({{"x", crop.x}, {"y", crop.y}, {"side", crop.side}});
    }
    json["backend"] = engine.backend().describe();
    json["timings_ms"] = clock.to_json();
    std::printf("%s\n", json.dump(2).c_str());
  } else if (!options.model.quiet) {
    std::printf("%s: %s\n", options.out.c_str(), summary(au).c_str());
  }
}

}  // namespace

void add_run(CLI::App& app) {
  auto* command = app.add_subcommand("run", "a photo and a voice in, that face with the voice's emotion out");
  auto options = std::make_shared<RunOptions>();
  add_image_options(*command, options->image, options->image_limits);
  add_audio_options(*command, options->audio, options->audio_limits);
  command->add_option("--out,-o", options->out, "picture to write: .png, .jpg, .webp, .bmp, .tif")->required();
  command->add_option("--output", options->output, "photo: the whole picture; face: the network's crop")
      ->capture_default_str()
      ->check(CLI::IsMember({"photo", "face"}));
  command->add_option("--intensity", options->intensity, "multiplies what the voice gave; results end at 1")
      ->capture_default_str()
      ->check(within(0, 10));
  add_face_option(*command, options->face);
  command->add_flag("--json", options->json, "print AUs, emotion, crop boxes and the time of each stage as JSON");
  add_model_options(*command, options->model, Needs::kBoth);
  command->callback([options] { run(*options); });
}

}  // namespace emo::cli
