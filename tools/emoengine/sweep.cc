#include <cstdio>
#include <memory>

#include "base/error.h"
#include "base/text.h"
#include "tools/emoengine/commands.h"
#include "tools/emoengine/loader.h"
#include "tools/emoengine/options.h"
#include "tools/emoengine/outputs.h"
#include "tools/emoengine/pipes.h"
#include "tools/emoengine/portrait.h"
#include "tools/emoengine/progress.h"
#include "tools/emoengine/report.h"

namespace emo::cli {
namespace {

struct SweepOptions {
  std::string image, out, au;
  ImageLimits image_limits;
  FaceChoice face;
  TableOptions table;
  int steps = 5;
  ModelOptions model;
};

/// The AUs that --au names, in its order; by default all of the model's.
std::vector<std::string> chosen_aus(const std::string& text, const std::vector<std::string>& names) {
  if (text.empty()) return names;
  std::vector<std::string> chosen;
  for (const auto part : split(text, ',')) {
    ActionUnits one(names);
    one.set(part, 1);
    for (const auto& name : names) {
      if (one.get(name) > 0) chosen.push_back(name);
    }
  }
  return chosen;
}

void sweep(const SweepOptions& options) {
  Outputs outputs;
  outputs.keep(options.image);
  outputs.keep(options.table.font);
  outputs.keep(options.model);
  outputs.add_picture(options.out);
  const Engine engine = open_engine(options.model, Needs::kGenerator);
  const auto& names = engine.generator_config().au_names;
  const auto chosen = chosen_aus(options.au, names);
  const Loader loader(options.model.quiet);
  const Image photo = flattened(loader.image(options.image, options.image_limits));
  const Portrait portrait(photo, choose_face(engine, photo, options.image, options.face));

  PictureTable table = empty_table(options.table);
  for (int i = 0; i < options.steps; ++i) table.columns.push_back(concat(std::round(100.0 * i / (options.steps - 1)) / 100));
  Progress progress("sweep", "face", chosen.size() * std::size_t(options.steps), options.model.quiet);
  for (const auto& name : chosen) {
    std::vector<ActionUnits> expressions(std::size_t(options.steps), ActionUnits(names));
    for (int i = 0; i < options.steps; ++i) expressions[std::size_t(i)].set(name, float(i) / float(options.steps - 1));
    PictureTable::Row row{.heading = name + " " + std::string(au_meaning(name))};
    for (Image& picture : portrait.with(engine, expressions, options.model.drawing.passes)) {
      row.cells.push_back({std::move(picture), {}});
      progress.step();
    }
    table.rows.push_back(std::move(row));
  }
  media().save_image(options.out, media().draw_table(table));
  if (!options.model.quiet) tell(options.out, progress.summary());
}

}  // namespace

void add_sweep(CLI::App& app) {
  auto* command = add_command(app, "sweep", "draw a figure: each AU by itself, from weak to strong",
                              "--image face.jpg -o sweep.png --au 12,26 --steps 5");
  auto options = std::make_shared<SweepOptions>();
  add_image_options(*command, options->image, options->image_limits);
  add_out_option(*command, options->out, kPictureExtensions, "picture to write: .png, .jpg, .webp, .bmp, .tif")->required();
  command->add_option("--au", options->au, "a row each, for example 12,26 [default: all]");
  command->add_option("--steps", options->steps, "strengths from 0 to 1, a column each")
      ->capture_default_str()
      ->check(whole(2, 21));
  add_face_option(*command, options->face);
  add_table_options(*command, options->table);
  add_passes_option(*command, options->model);
  add_model_options(*command, options->model, Needs::kGenerator);
  command->callback([options] { sweep(*options); });
}

}  // namespace emo::cli
