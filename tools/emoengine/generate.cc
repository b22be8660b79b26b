#include <cstdio>
#include <memory>

#include "base/error.h"
#include "base/npy.h"
#include "tools/emoengine/commands.h"
#include "tools/emoengine/common.h"

namespace emo::cli {
namespace {

struct GenerateOptions {
  std::string image, out;
  ImageLimits image_limits;
  FaceChoice face;
  std::string au, au_file, emotion;
  int row = 0;                ///< of the AU file, from 1; 0: it must have just one
  std::string output;         ///< photo | face; empty: photo, or face with --crop none
  std::string crop = "face";  ///< face | none
  std::string save_mask, save_colour, dump_layers;
  ModelOptions model;
};

ActionUnits wanted_aus(const GenerateOptions& options, const std::vector<std::string>& names) {
  const int given = !options.au.empty() + !options.au_file.empty() + !options.emotion.empty();
  if (given != 1) {
    fail(ErrorKind::kUsage, "generate: ", given == 0 ? "no expression was given" : "more than one expression was given",
         "; give one of --au, --au-file and --emotion");
  }
  if (!options.au.empty()) return parse_action_units(options.au, names);
  if (!options.emotion.empty()) return parse_emotions(options.emotion, names);
  const auto curve = read_au_file(options.au_file, names);
  const int rows = int(curve.rows.size());
  if (options.row > rows || (options.row == 0 && rows > 1)) {
    fail(ErrorKind::kUsage, options.au_file, ": has ", rows, " rows; choose one with --row 1 to --row ", rows);
  }
  return curve.rows[std::size_t(std::max(options.row, 1) - 1)];
}

/// Writes each layer it is given to DIR/NAME.npy.
LayerSink dump_to(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) fail(ErrorKind::kInput, "--dump-layers: ", folder.string(), " cannot be made: ", error.message());
  return [folder](const std::string& name, TensorView<const float> output) {
    const Shape& s = output.shape;
    write_npy(folder / (name + ".npy"), std::vector<std::int64_t>{s.N, s.C, s.H, s.W}, output.span());
  };
}

/// A plane of [0,1] as a grey picture.
Image grey(std::span<const float> plane, int side) {
  Image image(side, side);
  for (std::size_t i = 0; i < plane.size(); ++i) {
    std::fill_n(image.rgb.begin() + std::ptrdiff_t(3 * i), 3, std::uint8_t(plane[i] * 255 + 0.5f));
  }
  return image;
}

void generate(const GenerateOptions& options) {
  const bool as_is = options.crop == "none";
  const bool npy = options.out.ends_with(".npy");
  if (as_is && options.output == "photo") {
    fail(ErrorKind::kUsage, "--output photo needs a face to be found; leave out --crop none, or use --output face");
  }
  const bool one_face = as_is || npy || options.output == "face" || !options.save_mask.empty() ||
                        !options.save_colour.empty() || !options.dump_layers.empty();
  if (one_face && options.face.which == "all") {
    fail(ErrorKind::kUsage, "--face all goes with --output photo alone; choose a face with --face largest or --face N");
  }
  const Engine engine = open_engine(options.model, Needs::kGenerator);
  const ActionUnits au = wanted_aus(options, engine.generator_config().au_names);
  Inputs inputs(options.model.quiet);
  Image photo = inputs.image(options.image, options.image_limits);
  const LayerSink sink = options.dump_layers.empty() ? LayerSink() : dump_to(options.dump_layers);
  const LayerSink* layers = sink ? &sink : nullptr;

  std::vector<Box> boxes;
  std::vector<Face> faces;
  if (as_is) {
    faces.push_back(engine.generate_crop(photo, au, layers));
  } else {
    boxes = choose_faces(photo, options.image, options.face);
    for (const Box& box : boxes) faces.push_back(engine.generate(photo, box, au, layers));
  }
  const int side = faces[0].side;
  const Shape shape{1, 3, side, side};

  if (!options.save_mask.empty()) media().save_image(options.save_mask, grey(faces[0].mask.span(), side));
  if (!options.save_colour.empty()) {
    media().save_image(options.save_colour, engine.to_image({faces[0].colour.data(), shape}));
  }
  if (npy) {
    write_npy(options.out, std::vector<std::int64_t>{1, 3, side, side}, faces[0].after.span());
  } else if (as_is || options.output == "face") {
    media().save_image(options.out, engine.to_image({faces[0].after.data(), shape}));
  } else {
    for (std::size_t i = 0; i < faces.size(); ++i) engine.paste(photo, boxes[i], faces[i]);
    media().save_image(options.out, photo);
  }
  if (!options.model.quiet) std::printf("%s: %s\n", options.out.c_str(), summary(au).c_str());
}

}  // namespace

void add_generate(CLI::App& app) {
  auto* command = app.add_subcommand("generate", "redraw a face with given action units or emotions");
  auto options = std::make_shared<GenerateOptions>();
  add_image_options(*command, options->image, options->image_limits);
  command->add_option("--au", options->au, "intensities 0..1, for example \"12=1,6=0.8\"; those not named are 0");
  auto* au_file = command->add_option("--au-file", options->au_file, "a .csv, .json or .npy as aus writes it");
  command->add_option("--row", options->row, "row of the AU file, from 1")->check(within(1, 999'999))->needs(au_file);
  command->add_option("--emotion", options->emotion,
                      "for example happiness=0.7,surprise=0.3: happiness, sadness, surprise, fear, anger, disgust");
  command->add_option("--out,-o", options->out, "picture to write; .npy: the network's float32 (1,3,H,W) in [-1,1]")
      ->required();
  command->add_option("--output", options->output, "photo: the whole picture; face: the network's crop [default: photo]")
      ->check(CLI::IsMember({"photo", "face"}));
  command->add_option("--crop", options->crop, "face: find it; none: the picture is the network's crop already")
      ->capture_default_str()
      ->check(CLI::IsMember({"face", "none"}));
  add_face_option(*command, options->face);
  command->add_option("--save-mask", options->save_mask, "write the attention mask as a picture");
  command->add_option("--save-colour", options->save_colour, "write the colour image as a picture");
  command->add_option("--dump-layers", options->dump_layers, "write every layer's output as .npy into this folder");
  add_model_options(*command, options->model, Needs::kGenerator);
  command->callback([options] { generate(*options); });
}

}  // namespace emo::cli
