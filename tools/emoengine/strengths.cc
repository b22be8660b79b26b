#include <cstdio>
#include <memory>

#include "base/error.h"
#include "base/text.h"
#include "tools/emoengine/commands.h"
#include "tools/emoengine/inputs.h"
#include "tools/emoengine/loader.h"
#include "tools/emoengine/options.h"
#include "tools/emoengine/outputs.h"
#include "tools/emoengine/pipes.h"
#include "tools/emoengine/portrait.h"
#include "tools/emoengine/progress.h"
#include "tools/emoengine/report.h"

namespace emo::cli {
namespace {

struct StrengthsOptions {
  std::vector<std::string> images, audios;
  std::string out, emotions;
  ImageLimits image_limits;
  AudioLimits audio_limits;
  FaceChoice face;
  TableOptions table;
  int steps = 4;
  Expression expression;  ///< of the clips
  ModelOptions model;
};

/// A picture of the figure to be: what it shows and what stands below it.
struct Sight {
  ActionUnits au;
  std::vector<std::string> caption;
};

/// A row of clips; then a row for each emotion from weak to strong, or one row of all when there is one strength.
std::vector<std::vector<Sight>> planned_rows(const StrengthsOptions& options, const std::vector<std::string>& audios,
                                             const Engine& engine, const Loader& loader) {
  std::vector<std::vector<Sight>> rows;
  const auto& names = engine.generator_config().au_names;
  if (!audios.empty()) {
    auto& row = rows.emplace_back();
    for (const auto& file : audios) {
      const Clip clip = loader.audio(file, engine.speech_config().sample_rate_hz, options.audio_limits);
      const Voice voice = engine.hear(clip.pcm);
      note_speech(file, voice.holds_speech(), options.model.quiet);
      const ActionUnits au = options.expression.over(voice.whole());
      row.push_back({au, {std::filesystem::path(file).filename().string(), describe(read_emotion(au))}});
    }
  }
  if (options.emotions.empty()) return rows;
  std::string all;
  for (const auto& emotion : emotions()) all += (all.empty() ? "" : ",") + std::string(emotion.name);
  const bool one_row = options.steps == 1;
  if (one_row) rows.emplace_back();
  for (const auto name : split(options.emotions == "all" ? all : options.emotions, ',')) {
    if (name.find('=') != std::string_view::npos) {
      fail(ErrorKind::kUsage, "strengths: --emotion takes names alone, and '", name, "' came; --steps gives the strengths");
    }
    if (!one_row) rows.emplace_back();
    for (int i = 1; i <= options.steps; ++i) {
      const double strength = std::round(100.0 * i / options.steps) / 100;
      const auto setting = concat(name, '=', strength);
      rows.back().push_back({parse_emotions(setting, names), {concat(name, ' ', strength)}});
    }
  }
  return rows;
}

void strengths(const StrengthsOptions& options) {
  if (options.audios.empty() && options.emotions.empty()) {
    fail(ErrorKind::kUsage, "strengths: nothing to show; give --audio, --emotion or both");
  }
  const auto images = find_inputs(options.images, InputKind::kPictures).files;
  const auto audios = find_inputs(options.audios, InputKind::kSounds).files;
  Outputs outputs;
  outputs.keep(images);
  outputs.keep(audios);
  outputs.keep(options.table.font);
  outputs.keep(options.model);
  outputs.add_picture(options.out);
  const Engine engine = open_engine(options.model, options.audios.empty() ? Needs::kGenerator : Needs::kBoth);
  const Loader loader(options.model.quiet);
  const auto rows = planned_rows(options, audios, engine, loader);
  std::size_t cells = 0;
  for (const auto& row : rows) cells += row.size() * images.size();

  PictureTable table = empty_table(options.table);
  Progress progress("strengths", "face", cells, options.model.quiet);
  for (const auto& image : images) {
    const Image photo = flattened(loader.image(image, options.image_limits));
    const Portrait portrait(photo, choose_face(engine, photo, image, options.face));
    for (std::size_t r = 0; r < rows.size(); ++r) {
      PictureTable::Row row;
      if (r == 0) row.cells.push_back({portrait.picture, {stem(image), "as it came"}});
      if (r > 0) row.cells.push_back({});  // below the photo nothing
      std::vector<ActionUnits> expressions;
      for (const auto& sight : rows[r]) expressions.push_back(sight.au);
      auto pictures = portrait.with(engine, expressions, options.model.drawing.passes);
      for (std::size_t i = 0; i < pictures.size(); ++i) {
        row.cells.push_back({std::move(pictures[i]), rows[r][i].caption});
        progress.step();
      }
      table.rows.push_back(std::move(row));
    }
  }
  media().save_image(options.out, media().draw_table(table));
  if (!options.model.quiet) tell(options.out, progress.summary());
}

}  // namespace

void add_strengths(CLI::App& app) {
  auto* command = add_command(app, "strengths", "draw a figure: a face under several clips and emotions",
                              "--image face.jpg --audio clips/ --emotion all -o figure.png");
  auto options = std::make_shared<StrengthsOptions>();
  add_image_options(*command, options->images, options->image_limits);
  add_audio_options(*command, options->audios, options->audio_limits)->required(false);
  command->add_option("--emotion", options->emotions, "rows of these, for example happiness,anger; all: the six");
  command->add_option("--steps", options->steps, "strengths of each emotion up to 1; with 1 all are in one row")
      ->capture_default_str()
      ->check(whole(1, 20));
  add_out_option(*command, options->out, kPictureExtensions, "picture to write: .png, .jpg, .webp, .bmp, .tif")->required();
  add_intensity_option(*command, options->expression);
  add_au_option(*command, options->expression);
  add_face_option(*command, options->face);
  add_table_options(*command, options->table);
  add_passes_option(*command, options->model);
  add_model_options(*command, options->model, Needs::kBoth);
  command->callback([options] { strengths(*options); });
}

}  // namespace emo::cli
