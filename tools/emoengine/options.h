#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/expression/expression.h"
#include "engine/media/media.h"
#include "engine/pipeline/face_choice.h"

/// Options that several commands share, and what they choose: weights, faces, figures.
namespace emo::cli {

/// A command whose help ends with an example of it, with these arguments.
CLI::App* add_command(CLI::App& app, const std::string& name, const std::string& description, const std::string& example);

/// A number from lowest to highest. (CLI::Range lets NaN through, and -1 where the option is unsigned.)
CLI::Validator within(double lowest, double highest);
/// A whole number from lowest to highest.
CLI::Validator whole(double lowest, double highest);

/// Adds an option that takes one of the names and stores what the name stands for.
template <typename Target, typename Value>
CLI::Option* add_choice(CLI::App& command, const std::string& flag, Target& value,
                        const std::map<std::string, Value>& choices, const std::string& description) {
  std::set<std::string> names;
  for (const auto& [name, _] : choices) names.insert(name);
  return command
      .add_option_function<std::string>(
          flag, [&value, choices](const std::string& name) { value = choices.at(name); }, description)
      ->check(CLI::IsMember(names));
}

/// Options of every command that opens a model.
struct ModelOptions {
  std::string generator, speech;  ///< empty: the default weights
  std::string reader;             ///< empty: the default weights if they are installed; "none": none
  bool lite = false;              ///< the smaller default generator
  bool research = false;          ///< the installed speech model that is not for commercial use
  Drawing drawing;                ///< by the options that a command has
  BackendOptions backend;
  std::size_t max_tensors = limits::kMaxTensors;
  bool quiet = false;
};

void add_max_tensors(CLI::App& command, std::size_t& max_tensors, const std::string& description);
/// --passes; "auto", where it may be that, is kAutoPasses.
void add_passes_option(CLI::App& command, ModelOptions& options, bool may_be_auto = false);
/// --reader
void add_reader_option(CLI::App& command, ModelOptions& options);
/// --detail
void add_detail_option(CLI::App& command, ModelOptions& options);
enum class Needs { kReader, kGenerator, kSpeech, kBoth };
void add_model_options(CLI::App& command, ModelOptions& options, Needs needs);
/// How the models that `needs` says are opened, by default those installed.
EngineOptions engine_options(const ModelOptions& options, Needs needs);
/// Opens the models that `needs` says, by default those installed. The face reader goes with the generator.
Engine open_engine(const ModelOptions& options, Needs needs);

/// --max-megapixels, --max-image-side and --max-audio-s.
void add_image_limits(CLI::App& command, ImageLimits& limits);
void add_audio_limits(CLI::App& command, AudioLimits& limits);

/// --image or --audio, required, and its limits; the vectors take many (see inputs.h).
CLI::Option* add_image_options(CLI::App& command, std::string& image, ImageLimits& limits);
CLI::Option* add_image_options(CLI::App& command, std::vector<std::string>& images, ImageLimits& limits);
CLI::Option* add_audio_options(CLI::App& command, std::string& audio, AudioLimits& limits);
CLI::Option* add_audio_options(CLI::App& command, std::vector<std::string>& audios, AudioLimits& limits);

/// --emotion and --au, and with a voice also --intensity.
enum class WithVoice { kNo, kYes };
void add_expression_options(CLI::App& command, Expression& expression, WithVoice voice);
CLI::Option* add_lips_option(CLI::App& command, double& lips);
/// --relative
void add_relative_option(CLI::App& command, ModelOptions& options);
void add_intensity_option(CLI::App& command, Expression& expression);
void add_au_option(CLI::App& command, Expression& expression);
CLI::Option* add_au_face_option(CLI::App& command, std::string& face);

/// --face largest|all|N and --min-face
void add_face_option(CLI::App& command, FaceChoice& choice);
/// With --face all: how small a face may have been missed.
void note_least_face(const Image& photo, const std::string& file, const FaceChoice& choice, bool quiet);
/// choose_faces() for what shows one face. Throws Error(kUsage) for "all".
Box choose_face(const Engine& engine, const Image& image, const std::string& file, const FaceChoice& choice);

/// How the figures look.
struct TableOptions {
  int cell_px = PictureTable().cell_px;
  std::string font;  ///< empty: the default
};
void add_table_options(CLI::App& command, TableOptions& options);
PictureTable empty_table(const TableOptions& options);

}  // namespace emo::cli
