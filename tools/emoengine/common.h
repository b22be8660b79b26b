#pragma once

#include <CLI/CLI.hpp>
#include <chrono>
#include <filesystem>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/engine.h"
#include "engine/expression.h"
#include "engine/media/media.h"

/// What several commands share: their options, how they find weights and faces, how they report.
namespace emo::cli {

/// A number from lowest to highest. (CLI::Range lets NaN through, and -1 where the option is unsigned.)
CLI::Validator within(double lowest, double highest);
/// A whole number from lowest to highest.
CLI::Validator whole(double lowest, double highest);

/// Adds an option that takes one of the names and stores what the name stands for.
template <typename Value>
CLI::Option* add_choice(CLI::App& command, const std::string& flag, Value& value,
                        const std::map<std::string, Value>& choices, const std::string& description) {
  std::set<std::string> names;
  for (const auto& [name, _] : choices) names.insert(name);
  return command
      .add_option_function<std::string>(
          flag, [&value, choices](const std::string& name) { value = choices.at(name); }, description)
      ->check(CLI::IsMember(names));
}

/// Keeps a line for the user until tell_notes(), once however often it comes. From any thread.
void note(const std::string& line);
/// Tells on stderr what was noted, when a command has done its work: an error stays one line.
void tell_notes();

/// Options of every command that opens a model.
struct ModelOptions {
  std::string generator, speech;  ///< empty: the default weights
  bool lite = false;              ///< the smaller default generator
  BackendOptions backend;
  std::size_t max_tensors = limits::kMaxTensors;
  bool quiet = false;
};

void add_max_tensors(CLI::App& command, std::size_t& max_tensors, const std::string& description);
enum class Needs { kGenerator, kSpeech, kBoth };
void add_model_options(CLI::App& command, ModelOptions& options, Needs needs);
/// Opens the models that `needs` says, by default those found by default_weights().
Engine open_engine(const ModelOptions& options, Needs needs);

/// weights/NAME of the installation (../share/emoengine beside the program), else of the source tree.
/// Throws Error(kModel) when it is in neither.
std::filesystem::path default_weights(const std::string& name);

/// --image or --audio, required, and its limits; the vectors take many (see inputs.h).
CLI::Option* add_image_options(CLI::App& command, std::string& image, ImageLimits& limits);
CLI::Option* add_image_options(CLI::App& command, std::vector<std::string>& images, ImageLimits& limits);
CLI::Option* add_audio_options(CLI::App& command, std::string& audio, AudioLimits& limits);
CLI::Option* add_audio_options(CLI::App& command, std::vector<std::string>& audios, AudioLimits& limits);

/// --emotion and --au, and with a voice also --intensity.
enum class Voice { kNo, kYes };
void add_expression_options(CLI::App& command, Expression& expression, Voice voice);
void add_intensity_option(CLI::App& command, Expression& expression);
void add_au_option(CLI::App& command, Expression& expression);

/// Reads a command's picture and sound as media() does. Some decoders (libjpeg, mpg123) print on stderr about damage that
/// they get over: that is kept back and said in a line of its own when the command has done its work, unless `quiet`; an
/// error stays one line.
class Loader {
 public:
  explicit Loader(bool quiet) : quiet_(quiet) {}
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  Image image(const std::string& path, const ImageLimits& limits);
  Clip audio(const std::string& path, int sample_rate_hz, const AudioLimits& limits);

 private:
  template <typename Load>
  auto load(const std::string& path, const Load& load);

  const bool quiet_;
  std::set<std::string> notes_;  // a file that is read twice is told once
};

/// --face largest|all|N
struct FaceChoice {
  std::string which = "largest";
};
void add_face_option(CLI::App& command, FaceChoice& choice);
/// The boxes of the chosen faces. Throws Error(kInput) naming the file and what was tried when there is none, or fewer
/// than the number asked for.
std::vector<Box> choose_faces(const Image& image, const std::string& file, const FaceChoice& choice);

/// The same for what shows one face. Throws Error(kUsage) for "all".
Box choose_face(const Image& image, const std::string& file, const FaceChoice& choice);

/// How the figures look.
struct TableOptions {
  int cell_px = PictureTable().cell_px;
  std::string font;  ///< empty: the default
};
void add_table_options(CLI::App& command, TableOptions& options);
PictureTable empty_table(const TableOptions& options);

/// Wall-clock times of the stages, in the order in which they ran.
class StageClock {
 public:
  /// Runs a stage and keeps its time, ms; returns what it returns.
  template <typename Stage>
  auto time(const std::string& name, Stage&& stage) {
    struct Keep {
      StageClock& clock;
      const std::string& name;
      std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
      ~Keep() {
        clock.add(name, std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
      }
    } keep{*this, name};
    return stage();
  }
  void add(const std::string& name, double ms);
  /// {"image": 3.1, ...}
  nlohmann::ordered_json to_json() const;

 private:
  std::vector<std::pair<std::string, double>> stages_;
};

/// The text with '?' for each control character: a file's name may have a line break, a refusal has one line.
std::string one_line(std::string text);

/// As JSON text, with a sign for what is no UTF-8: a file's name may be anything.
std::string text_of(const nlohmann::ordered_json& json, int indent = -1);
nlohmann::ordered_json to_json(const ActionUnits& au);
nlohmann::ordered_json to_json(const EmotionReading& reading);
/// "anger 0.84", or "neutral".
std::string describe(const EmotionReading& reading);
/// "anger 0.84: AU04=0.81 AU05=0.80": the emotion, its strength and the AUs of at least 0.05.
std::string summary(const ActionUnits& au);

}  // namespace emo::cli
