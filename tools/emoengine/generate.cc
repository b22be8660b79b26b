#include <cstdio>
#include <memory>

#include "base/error.h"
#include "base/npy.h"
#include "base/text.h"
#include "engine/expression/au_file.h"
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

/// What is written of a face.
constexpr std::string_view kGenerated[] = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".npy"};

struct GenerateOptions {
  std::vector<std::string> images;
  std::string out;
  ImageLimits image_limits;
  FaceChoice face;
  Expression expression;
  std::string au_file, au_face;
  int row = 0;                ///< of the AU file, from 1; 0: it must have just one
  std::string output;         ///< photo | face; empty: photo, or face with --crop none
  std::string crop = "face";  ///< face | none
  std::string save_mask, save_colour, dump_layers;
  bool resume = false;
  ModelOptions model;
};

ActionUnits wanted_aus(const GenerateOptions& options, const std::vector<std::string>& names) {
  const auto& expression = options.expression;
  if (expression.au.empty() && expression.emotion.empty() && options.au_file.empty()) {
    fail(ErrorKind::kUsage, "generate: no expression was given; give --au, --emotion or --au-file, or several");
  }
  if (options.au_file.empty()) return expression.over(ActionUnits(names));
  const auto curve = Loader(options.model.quiet).aus(options.au_file, names, {.face = options.au_face});
  const int rows = int(curve.rows());
  if (options.row > rows || (options.row == 0 && rows > 1)) {
    fail(ErrorKind::kUsage, options.au_file, ": has ", rows, " rows; choose one with --row 1 to --row ", rows);
  }
  return expression.over(curve.row(std::size_t(std::max(options.row, 1) - 1)));
}

bool is_npy(const std::string& out) { return lower_extension(out) == ".npy"; }

/// Writes each layer it is given to DIR/NAME.npy.
LayerSink dump_to(const std::filesystem::path& folder, Outputs& outputs) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) fail(ErrorKind::kInput, "--dump-layers: ", folder.string(), " cannot be made: ", error.message());
  return [folder, &outputs](const std::string& name, TensorView<const float> output) {
    const Shape& s = output.shape;
    const auto file = folder / (name + ".npy");
    outputs.add(file);
    write_npy(file, std::vector<std::int64_t>{s.N, s.C, s.H, s.W}, output.span());
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

/// Many photos with one expression.
void generate_many(const GenerateOptions& options, const std::vector<std::string>& images, Outputs& outputs) {
  if (options.crop == "none" || is_npy(options.out) || !options.save_mask.empty() || !options.save_colour.empty() ||
      !options.dump_layers.empty()) {
    fail(ErrorKind::kUsage,
         "generate: --crop none, --save-mask, --save-colour, --dump-layers and .npy take one picture; give one --image, and "
         "a file's name to -o");
  }
  if (options.output == "face" && options.face.all) {
    fail(ErrorKind::kUsage, "--face all goes with --output photo alone; choose a face with --face largest or --face N");
  }
  ManyOutputs many(options.out, options.resume, outputs);
  std::vector<std::filesystem::path> outs;
  for (const auto& image : images) outs.push_back(many.add(stem(image) + picture_extension(image), image));
  if (!many.begin(options.model.quiet)) return;
  const Engine engine = open_engine(options.model, Needs::kGenerator);
  const ActionUnits au = wanted_aus(options, engine.generator_config().au_names);
  std::vector<PhotoTask> tasks;
  for (std::size_t i = 0; i < images.size(); ++i) {
    if (!outs[i].empty()) tasks.push_back({images[i], {{outs[i], au, ""}}});
  }
  Failures failures;
  const Loader loader(options.model.quiet);
  Progress progress("generate", "picture", many.count(), options.model.quiet);
  PhotoOptions how{.face = options.face,
                   .crop_only = options.output == "face",
                   .drawing = options.model.drawing,
                   .processors = options.model.backend.threads};
  how.load = [&](const std::string& file) { return loader.image(file, options.image_limits); };
  how.failed = [&](const std::string& what) { failures.add(what); };
  how.written = [&](const PhotoTask&, const PhotoTask::Output&, std::span<const Box>, std::span<const Reached>) {
    progress.step();
  };
  redraw_photos(engine, tasks, how);
  if (!options.model.quiet) tell(options.out, progress.summary());
  failures.report();
}

void generate_one(const GenerateOptions& options, const std::string& image, Outputs& outputs) {
  const bool as_is = options.crop == "none";
  if (options.model.drawing.relative && (as_is || !options.dump_layers.empty())) {
    fail(ErrorKind::kUsage, "--relative reads the face in a photo and draws two; leave out --crop none and --dump-layers");
  }
  const bool npy = is_npy(options.out);
  if (as_is && options.output == "photo") {
    fail(ErrorKind::kUsage, "--output photo needs a face to be found; leave out --crop none, or use --output face");
  }
  const bool one_face = as_is || npy || options.output == "face" || !options.save_mask.empty() ||
                        !options.save_colour.empty() || !options.dump_layers.empty();
  const bool auto_passes = options.model.drawing.passes == kAutoPasses;
  if (one_face && auto_passes) {
    fail(ErrorKind::kUsage, "--passes auto looks at the photo with the face redrawn; it goes with --output photo alone");
  }
  if (one_face && options.face.all) {
    fail(ErrorKind::kUsage, "--face all goes with --output photo alone; choose a face with --face largest or --face N");
  }
  npy ? outputs.add_file(options.out) : outputs.add_picture(options.out);
  outputs.add_picture(options.save_mask);
  outputs.add_picture(options.save_colour);
  const Engine engine = open_engine(options.model, Needs::kGenerator);
  const ActionUnits au = wanted_aus(options, engine.generator_config().au_names);
  const Loader loader(options.model.quiet);
  Image photo = loader.image(image, options.image_limits);
  const LayerSink sink = options.dump_layers.empty() ? LayerSink() : dump_to(options.dump_layers, outputs);
  const LayerSink* layers = sink ? &sink : nullptr;

  const int side = engine.generator_config().image_size;
  if (as_is && (photo.width != side || photo.height != side)) {
    fail(ErrorKind::kInput, "--crop none: the picture is ", photo.width, "x", photo.height, "; this model takes ", side, "x",
         side, ". Resize it, or let --crop face find the face");
  }
  const auto boxes = as_is ? std::vector<Box>{{0, 0, float(side)}} : choose_faces(engine, photo, image, options.face);
  note_least_face(photo, image, options.face, options.model.quiet);
  const Shape shape{1, 3, side, side};
  const auto plane = [&](bool wanted, int channels) {
    return HostBuffer<float>(wanted ? std::size_t(channels) * side * side : 0);
  };
  const bool whole_photo = !as_is && !npy && options.output != "face";
  const auto after = plane(!whole_photo, 3), mask = plane(!options.save_mask.empty(), 1),
             colour = plane(!options.save_colour.empty(), 3);
  std::vector<FaceJob> jobs;
  for (std::size_t i = 0; i < boxes.size(); ++i) {
    jobs.push_back({.photo = photo,
                    .face = boxes[i],
                    .is_crop = as_is,
                    .au = au,
                    .drawing = options.model.drawing,
                    .out = whole_photo ? photo : MutableImageView(),
                    .after = after.data(),
                    .mask = mask.data(),
                    .colour = colour.data(),
                    .sink = layers});
  }
  auto_passes ? void(redraw_and_read(engine, photo, jobs)) : engine.redraw_all(jobs);

  if (mask.size()) media().save_image(options.save_mask, grey(mask.span(), side));
  if (colour.size()) media().save_image(options.save_colour, engine.to_image({colour.data(), shape}));
  if (npy) {
    write_npy(options.out, std::vector<std::int64_t>{1, 3, side, side}, after.span());
  } else {
    media().save_image(options.out, whole_photo ? photo : engine.to_image({after.data(), shape}));
  }
  if (!options.model.quiet) tell(options.out, summary(au));
}

void generate(const GenerateOptions& options) {
  const Inputs images = find_inputs(options.images, InputKind::kPictures);
  Outputs outputs;
  outputs.keep(images.files);
  outputs.keep(options.au_file);
  outputs.keep(options.model);
  if (images.many || names_folder(options.out)) return generate_many(options, images.files, outputs);
  if (options.resume && is_written(options.out)) return tell_all_written(options.out, options.model.quiet);
  generate_one(options, images.files[0], outputs);
}

}  // namespace

void add_generate(CLI::App& app) {
  auto* command = add_command(app, "generate", "redraw a face with the action units (AUs) or emotions that you give",
                              "--image face.jpg --au \"12=1,6=0.8\" -o smile.png");
  auto options = std::make_shared<GenerateOptions>();
  add_image_options(*command, options->images, options->image_limits);
  add_expression_options(*command, options->expression, WithVoice::kNo);
  auto* au_file = takes_standard_input(command->add_option(
      "--au-file", options->au_file,
      "start from a .csv, .json or .npy as aus, OpenFace or py-feat writes it, not from neutral; -: standard input"));
  add_au_face_option(*command, options->au_face)->needs(au_file);
  command->add_option("--row", options->row, "row of the AU file, from 1")->check(whole(1, 999'999))->needs(au_file);
  add_out_option(*command, options->out, kGenerated,
                 "picture to write; .npy: the network's float32 (1,3,H,W) in [-1,1]; many photos, or FOLDER/: a folder")
      ->required();
  command->add_option("--output", options->output, "photo: the whole picture; face: the network's crop [default: photo]")
      ->check(CLI::IsMember({"photo", "face"}));
  command->add_option("--crop", options->crop, "face: find it; none: the picture is the network's crop already")
      ->capture_default_str()
      ->check(CLI::IsMember({"face", "none"}));
  add_relative_option(*command, options->model);
  add_face_option(*command, options->face);
  command->add_option("--save-mask", options->save_mask, "write the attention mask as a picture");
  command->add_option("--save-colour", options->save_colour, "write the colour image as a picture");
  command->add_option("--dump-layers", options->dump_layers, "write every layer's output as .npy into this folder");
  add_resume_option(*command, options->resume);
  add_passes_option(*command, options->model, true);
  add_model_options(*command, options->model, Needs::kGenerator);
  add_detail_option(*command, options->model);
  command->callback([options] { generate(*options); });
}

}  // namespace emo::cli
