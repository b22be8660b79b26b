#include <cstdio>
#include <future>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "base/in_parallel.h"
#include "engine/pipeline/photos.h"
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

struct RunOptions {
  std::vector<std::string> images, audios;
  std::string out;
  ImageLimits image_limits;
  AudioLimits audio_limits;
  FaceChoice face;
  std::string output = "photo";  ///< photo | face
  Expression expression;
  bool json = false, resume = false;
  ModelOptions model;
};

/// What is told of a picture with --json.
nlohmann::ordered_json report(const Engine& engine, const std::string& image, const std::string& audio,
                              const std::string& out, const ActionUnits& au, std::span<const Box> faces,
                              std::span<const Reached> reached) {
  nlohmann::ordered_json json{{"image", with_streams(image)},
                              {"audio", with_streams(audio)},
                              {"output", with_streams(out)},
                              {"au", to_json(au)},
                              {"emotion", to_json(read_emotion(au))}};
  for (const Box& face : faces) {
    const Box crop = scaled(face, engine.generator_config().crop_scale);
    json["crops"].push_back({{"x", crop.x}, {"y", crop.y}, {"side", crop.side}, {"roll", crop.roll}});
  }
  for (const Reached& face : reached) json["reached"].push_back({{"au", to_json(face.au)}, {"passes", face.passes}});
  json["backend"] = engine.backend().describe();
  return json;
}

/// What a voice gave.
struct Heard {
  Engine engine;
  Clip clip;
  ActionUnits au;
  StageClock clock;
};

Heard hear(const RunOptions& options, const Loader& loader, const std::string& audio) {
  StageClock clock;
  Engine engine = clock.time("models", [&] { return open_engine(options.model, Needs::kBoth); });
  Clip clip =
      clock.time("audio", [&] { return loader.audio(audio, engine.speech_config().sample_rate_hz, options.audio_limits); });
  const Voice voice = clock.time("speech", [&] { return engine.hear(clip.pcm); });
  note_speech(audio, voice.holds_speech(), options.model.quiet);
  ActionUnits au = options.expression.over(voice.whole());
  return {std::move(engine), std::move(clip), std::move(au), std::move(clock)};
}

/// One photo and one voice, as fast as it goes.
void run_one(const RunOptions& options, const std::string& image, const std::string& audio) {
  StageClock clock;
  const Loader loader(options.model.quiet);
  // The models are opened and the voice is heard while the photo is read and searched: neither needs the other.
  auto hearing = std::async(std::launch::async, [&] { return hear(options, loader, audio); });
  clock.time("media", [] { media(); });
  const Engine reader = open_engine(options.model, Needs::kReader);
  Image photo = clock.time("image", [&] { return loader.image(image, options.image_limits); });
  const auto faces = clock.time("faces", [&] { return choose_faces(reader, photo, image, options.face); });
  note_least_face(photo, image, options.face, options.model.quiet);
  const auto [engine, clip, au, heard] = hearing.get();
  clock.add(heard);

  const int side = engine.generator_config().image_size;
  HostBuffer<float> crop(options.output == "face" ? std::size_t(3) * side * side : 0);
  const bool reads = options.model.drawing.passes == kAutoPasses || (options.json && !crop.size() && engine.has_reader());
  std::vector<FaceJob> jobs;
  for (std::size_t i = 0; i < faces.size(); ++i) {
    FaceJob& job = jobs.emplace_back(FaceJob{.photo = photo, .face = faces[i], .au = au, .drawing = options.model.drawing});
    crop.size() ? void(job.after = crop.data()) : void(job.out = photo);
  }
  std::vector<Reached> reached;
  clock.time("redraw", [&] { reads ? void(reached = redraw_and_read(engine, photo, jobs)) : engine.redraw_all(jobs); });
  if (crop.size()) photo = engine.to_image({crop.data(), {1, 3, side, side}});
  clock.time("save", [&] { media().save_image(options.out, photo); });

  if (options.json) {
    auto json = report(engine, image, audio, options.out, au, faces, reached);
    json["audio_seconds"] = clip.seconds();
    json["timings_ms"] = clock.to_json();
    std::printf("%s\n", text_of(json, 2).c_str());
  } else if (!options.model.quiet) {
    tell(options.out, summary(au));
  }
}

/// Every photo with every voice. Voices are read once and kept as AUs, then the photos, several at a time.
void run_many(const RunOptions& options, const std::vector<std::string>& images, const std::vector<std::string>& audios,
              Outputs& outputs) {
  ManyOutputs many(options.out, options.resume, outputs);
  std::vector<std::vector<std::filesystem::path>> outs(images.size());  // empty path: is there already
  std::vector<char> audio_needed(audios.size());
  for (std::size_t i = 0; i < images.size(); ++i) {
    for (std::size_t a = 0; a < audios.size(); ++a) {
      const auto name = stem(images[i]) + "_" + stem(audios[a]) + picture_extension(images[i]);
      outs[i].push_back(many.add(name, images[i] + " with " + audios[a]));
      audio_needed[a] |= !outs[i][a].empty();
    }
  }
  if (!many.begin(options.model.quiet)) return;
  const Engine engine = open_engine(options.model, Needs::kBoth);
  const Loader loader(options.model.quiet);
  std::vector<std::optional<ActionUnits>> voices(audios.size());
  std::vector<Failures> failed(audios.size());
  in_parallel(int(audios.size()), options.model.backend.threads, [&](int a) {
    if (!audio_needed[a]) return;
    failed[a].attempt([&] {
      const Clip clip = loader.audio(audios[a], engine.speech_config().sample_rate_hz, options.audio_limits);
      const Voice voice = engine.hear(clip.pcm);
      note_speech(audios[a], voice.holds_speech(), options.model.quiet);
      voices[a] = options.expression.over(voice.whole());
    });
  });
  Failures failures;
  for (const Failures& of_voice : failed) failures.add(of_voice);

  std::vector<PhotoTask> tasks;
  for (std::size_t i = 0; i < images.size(); ++i) {
    PhotoTask task{.photo = images[i]};
    for (std::size_t a = 0; a < audios.size(); ++a) {
      if (voices[a] && !outs[i][a].empty()) task.outputs.push_back({outs[i][a], *voices[a], audios[a]});
    }
    if (!task.outputs.empty()) tasks.push_back(std::move(task));
  }
  Progress progress("run", "picture", many.count(), options.model.quiet);
  PhotoOptions how{.face = options.face,
                   .crop_only = options.output == "face",
                   .drawing = options.model.drawing,
                   .read = options.json && options.output == "photo" && engine.has_reader(),
                   .processors = options.model.backend.threads};
  how.load = [&](const std::string& file) { return loader.image(file, options.image_limits); };
  how.failed = [&](const std::string& what) { failures.add(what); };
  how.written = [&](const PhotoTask& task, const PhotoTask::Output& made, std::span<const Box> faces,
                    std::span<const Reached> reached) {
    progress.step();
    if (!options.json) return;
    std::printf("%s\n", text_of(report(engine, task.photo, made.of, made.out, made.au, faces, reached)).c_str());
  };
  redraw_photos(engine, tasks, how);
  if (!options.model.quiet && !options.json) tell(options.out, progress.summary());
  failures.report();
}

void run(const RunOptions& options) {
  if (options.output == "face" && options.face.all) {
    fail(ErrorKind::kUsage, "--output face writes one face; choose it with --face largest or --face N");
  }
  const Inputs images = find_inputs(options.images, InputKind::kPictures);
  const Inputs audios = find_inputs(options.audios, InputKind::kSounds);
  Outputs outputs;
  outputs.keep(images.files);
  outputs.keep(audios.files);
  outputs.keep(options.model);
  if (images.many || audios.many || names_folder(options.out)) return run_many(options, images.files, audios.files, outputs);
  if (options.resume && is_written(options.out)) return tell_all_written(options.out, options.model.quiet);
  outputs.add_picture(options.out);
  run_one(options, images.files[0], audios.files[0]);
}

}  // namespace

void add_run(CLI::App& app) {
  auto* command = add_command(app, "run", "put the emotion of a voice on the face in a photo",
                              "--image face.jpg --audio voice.wav -o out.png");
  auto options = std::make_shared<RunOptions>();
  add_image_options(*command, options->images, options->image_limits);
  add_audio_options(*command, options->audios, options->audio_limits);
  add_out_option(*command, options->out, kPictureExtensions,
                 "picture to write: .png, .jpg, .webp, .bmp, .tif; with many inputs, or for FOLDER/, a folder, for "
                 "PHOTO_VOICE.png (or the photo's type)")
      ->required();
  command->add_option("--output", options->output, "photo: the whole picture; face: the network's crop")
      ->capture_default_str()
      ->check(CLI::IsMember({"photo", "face"}));
  add_expression_options(*command, options->expression, WithVoice::kYes);
  add_relative_option(*command, options->model);
  add_face_option(*command, options->face);
  command->add_flag(
      "--json", options->json,
      "print AUs, emotion and crop boxes as JSON; with one photo and voice also the times; with many a line each");
  add_resume_option(*command, options->resume);
  add_passes_option(*command, options->model, true);
  add_model_options(*command, options->model, Needs::kBoth);
  add_detail_option(*command, options->model);
  command->callback([options] { run(*options); });
}

}  // namespace emo::cli
