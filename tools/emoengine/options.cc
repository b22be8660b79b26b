#include "tools/emoengine/options.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/text.h"
#include "engine/installation.h"
#include "engine/pipeline/face_finder.h"
#include "engine/pipeline/reached.h"
#include "tools/emoengine/pipes.h"
#include "tools/emoengine/report.h"

namespace emo::cli {
namespace {

CLI::Validator number_within(double lowest, double highest, bool whole) {
  const auto shown = [whole](double limit) { return whole ? std::to_string(std::int64_t(limit)) : concat(limit); };
  return CLI::Validator(
      [=](const std::string& text) {
        const auto value = parse_number(text);
        const bool fits = value && *value >= lowest && *value <= highest && (!whole || *value == std::floor(*value));
        const char* kind = whole ? "' is not a whole number from " : "' is not a number from ";
        return fits ? std::string() : concat("'", text, kind, shown(lowest), " to ", shown(highest));
      },
      concat("[", shown(lowest), " - ", shown(highest), "]"));
}

}  // namespace

CLI::App* add_command(CLI::App& app, const std::string& name, const std::string& description, const std::string& example) {
  auto* command = app.add_subcommand(name, description);
  command->footer(app.get_footer() + "\nExample:    emoengine " + name + " " + example);
  return command;
}

CLI::Validator within(double lowest, double highest) { return number_within(lowest, highest, false); }

CLI::Validator whole(double lowest, double highest) { return number_within(lowest, highest, true); }

void add_model_options(CLI::App& command, ModelOptions& options, Needs needs) {
  if (needs != Needs::kSpeech) {
    auto* file = command.add_option("--generator", options.generator,
                                    "weight file of the face generator [default: the installed one]");
    command.add_flag("--lite", options.lite, "use the smaller installed generator: a third of the time, softer faces")
        ->excludes(file);
  }
  if (needs != Needs::kSpeech) add_reader_option(command, options);
  if (needs == Needs::kSpeech || needs == Needs::kBoth) {
    auto* file =
        command.add_option("--speech", options.speech, "weight file of the speech model [default: the installed one]");
    command
        .add_flag("--research", options.research,
                  "use the installed speech model for research: it learned from RAVDESS and nEMO too, and is not for "
                  "commercial use")
        ->excludes(file);
  }
  const std::map<std::string, BackendKind> kinds = {
      {"auto", BackendKind::kAuto}, {"cpu", BackendKind::kCpu}, {"cuda", BackendKind::kCuda}};
  add_choice(command, "--backend", options.backend.kind, kinds, "run the models on the CPU or on a GPU [default: auto]");
  const std::map<std::string, Precision> precisions = {{"auto", Precision::kAuto},
                                                       {"fp32", Precision::kFp32},
                                                       {"tf32", Precision::kTf32},
                                                       {"bf16", Precision::kBf16},
                                                       {"fp16", Precision::kFp16}};
  add_choice(command, "--precision", options.backend.precision, precisions,
             "number format of the generator's arithmetic [default: auto]");
  command.add_option("--threads", options.backend.threads, "CPU threads; 0: every processor that this process may use")
      ->capture_default_str()
      ->check(whole(0, 1024));
  add_max_tensors(command, options.max_tensors, "refuse weight files with more tensors");
  command.add_flag("--quiet,-q", options.quiet, "print nothing but errors");
}

void add_passes_option(CLI::App& command, ModelOptions& options, bool may_be_auto) {
  const CLI::Validator number = whole(1, limits::kMaxPasses);
  const auto read = [=](std::string& text) {
    if (!may_be_auto || text != "auto") return number(text);
    text = std::to_string(kAutoPasses);
    return std::string();
  };
  command
      .add_option("--passes", options.drawing.passes,
                  concat("draw the face so many times, each from the result before; for photos that change too little",
                         may_be_auto ? ". auto: again while that brings nearer what was asked, at most 3 times" : ""))
      ->capture_default_str()
      ->transform(CLI::Validator(read, number.get_description() + (may_be_auto ? " or auto" : "")));
}

void add_detail_option(CLI::App& command, ModelOptions& options) {
  std::map<std::string, Detail> details;
  for (const Detail detail : {Detail::kNetwork, Detail::kSharp, Detail::kAuto}) details[name_of(detail)] = detail;
  add_choice(
      command, "--detail", options.drawing.detail, details,
      "how the face is drawn: sharp moves the photo's own pixels, at its own resolution; network draws 128 x 128 px; auto "
      "is sharp where the face reader is sure of the landmarks [default: auto]");
}

void add_reader_option(CLI::App& command, ModelOptions& options) {
  command.add_option("--reader", options.reader,
                     "weight file of the face reader, or none: faces are then found by the detector alone [default: the "
                     "installed one]");
}

void add_max_tensors(CLI::App& command, std::size_t& max_tensors, const std::string& description) {
  command.add_option("--max-tensors", max_tensors, description)->capture_default_str()->check(whole(1, 100'000));
}

EngineOptions engine_options(const ModelOptions& options, Needs needs) {
  const auto path = [](const std::string& given, const char* name) {
    return given.empty() ? default_weights(name) : std::filesystem::path(given);
  };
  EngineOptions engine{.backend = options.backend, .max_tensors = options.max_tensors};
  if (!options.quiet) engine.backend.note = note;
  if (needs != Needs::kSpeech && options.reader != "none") {
    const auto found = installed_weights("reader.safetensors");
    engine.reader = options.reader.empty() ? found.value_or("") : std::filesystem::path(options.reader);
  }
  if (needs == Needs::kGenerator || needs == Needs::kBoth) {
    engine.generator = path(options.generator, options.lite ? "generator-lite.safetensors" : "generator.safetensors");
  }
  if (needs == Needs::kSpeech || needs == Needs::kBoth) {
    engine.speech = path(options.speech, options.research ? "speech-research.safetensors" : "speech.safetensors");
  }
  return engine;
}

Engine open_engine(const ModelOptions& options, Needs needs) { return Engine(engine_options(options, needs)); }

void add_image_limits(CLI::App& command, ImageLimits& limits) {
  command.add_option("--max-megapixels", limits.max_megapixels, "refuse larger pictures")
      ->capture_default_str()
      ->check(within(0, 1000));  // OpenCV takes up to 2^30 pixels
  command.add_option("--max-image-side", limits.max_side, "refuse pictures with a longer side, px")
      ->capture_default_str()
      ->check(whole(1, 100'000));
}

void add_audio_limits(CLI::App& command, AudioLimits& limits) {
  command.add_option("--max-audio-s", limits.max_seconds, "refuse longer clips, seconds")
      ->capture_default_str()
      ->check(within(0, 86'400));
}

namespace {

template <typename Files>
CLI::Option* image_options(CLI::App& command, Files& files, ImageLimits& limits, const char* help) {
  auto* option = takes_standard_input(command.add_option("--image,-i", files, help))->required();
  add_image_limits(command, limits);
  return option;
}

template <typename Files>
CLI::Option* audio_options(CLI::App& command, Files& files, AudioLimits& limits, const char* help) {
  auto* option = takes_standard_input(command.add_option("--audio,-a", files, help))->required();
  add_audio_limits(command, limits);
  return option;
}

}  // namespace

CLI::Option* add_image_options(CLI::App& command, std::string& image, ImageLimits& limits) {
  return image_options(command, image, limits, "photo: JPEG, PNG, WebP, HEIC, AVIF, JPEG XL, TIFF, BMP; -: standard input");
}

CLI::Option* add_image_options(CLI::App& command, std::vector<std::string>& images, ImageLimits& limits) {
  return image_options(command, images, limits,
                       "photos, folders, patterns: JPEG, PNG, WebP, HEIC, AVIF, JPEG XL, TIFF, BMP; -: standard input");
}

CLI::Option* add_audio_options(CLI::App& command, std::string& audio, AudioLimits& limits) {
  return audio_options(
      command, audio, limits,
      "voice: WAV, FLAC, MP3, M4A, Ogg and others, or a video; any rate and channel count; -: standard input");
}

CLI::Option* add_audio_options(CLI::App& command, std::vector<std::string>& audios, AudioLimits& limits) {
  return audio_options(
      command, audios, limits,
      "voices, folders, patterns: WAV, FLAC, MP3, M4A, Ogg and others, or videos; any rate; -: standard input");
}

CLI::Option* add_lips_option(CLI::App& command, double& lips) {
  return command
      .add_option("--lips", lips,
                  "how far the lips move with the voice's syllables, on top of its emotion: 0 not at all, 1 as people's do")
      ->capture_default_str()
      ->check(within(0, limits::kMaxLips));
}

void add_expression_options(CLI::App& command, Expression& expression, WithVoice voice) {
  if (voice == WithVoice::kYes) add_intensity_option(command, expression);
  command.add_option("--emotion", expression.emotion,
                     "emotions to add, for example happiness=0.7,surprise=0.3: happiness, sadness, surprise, fear, anger, "
                     "disgust, neutral, or words such as happy; a name alone means 1. The photo's own expression gives way");
  add_au_option(command, expression);
}

void add_relative_option(CLI::App& command, ModelOptions& options) {
  command.add_flag("--relative", options.drawing.relative,
                   "add the AUs to what the photo shows, and keep the photo where that changes nothing; otherwise AUs are "
                   "absolute: a broad smile that is asked to smile may get smaller. Takes twice the time");
}

void add_intensity_option(CLI::App& command, Expression& expression) {
  command.add_option("--intensity", expression.intensity, "multiplies the AUs of the voice; results are clamped to 1")
      ->capture_default_str()
      ->check(within(0, 10));
}

void add_au_option(CLI::App& command, Expression& expression) {
  command.add_option("--au", expression.au, "AUs to change last: \"12=1,6=0.8\" sets them, a sign adds: \"4=+0.3,12=-0.2\"");
}

CLI::Option* add_au_face_option(CLI::App& command, std::string& face) {
  return command.add_option("--au-face", face, "whose rows of a table of several faces, as its column face_id or face says");
}

void add_face_option(CLI::App& command, FaceChoice& choice) {
  command
      .add_option_function<std::string>(
          "--face",
          [&choice](const std::string& text) {
            choice.all = text == "all";
            choice.number = int(parse_number(text).value_or(1));
          },
          "which face: largest, all, or a number (1 is the largest)")
      ->default_str("largest")
      ->check([](const std::string& text) -> std::string {
        const auto value = parse_number(text);
        const bool counts = value && *value >= 1 && *value <= 1000 && *value == int(*value);
        return text == "largest" || text == "all" || counts ? "" : "'" + text + "' is not largest, all or a number from 1";
      });
  command
      .add_option(
          "--min-face", choice.min_px,
          "with --face all or a number: the least face to look for, px; small ones take longer [default: 1/40 of the "
          "photo's longer side, at least 80]")
      ->check(within(10, limits::kMaxImageSide));
}

void note_least_face(const Image& photo, const std::string& file, const FaceChoice& choice, bool quiet) {
  if (!choice.all || quiet) return;
  note(concat(file, ": faces under ", std::lround(least_face(photo, choice.min_px)),
              " px were not looked for; --min-face PX goes lower"));
}

Box choose_face(const Engine& engine, const Image& image, const std::string& file, const FaceChoice& choice) {
  if (choice.all) {
    fail(ErrorKind::kUsage, "--face all: one face is shown here; choose it with --face largest or --face N");
  }
  return choose_faces(engine, image, file, choice)[0];
}

void add_table_options(CLI::App& command, TableOptions& options) {
  command.add_option("--cell", options.cell_px, "side of a face in the figure, px")
      ->capture_default_str()
      ->check(whole(32, 1024));
  command.add_option("--font", options.font, "TrueType or OpenType file for the text [default: DejaVu Sans]");
}

PictureTable empty_table(const TableOptions& options) {
  PictureTable table{.cell_px = options.cell_px};
  if (!options.font.empty()) table.font = options.font;
  return table;
}

}  // namespace emo::cli
