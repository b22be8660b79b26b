#include "tools/emoengine/common.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>
#include <mutex>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"

namespace emo::cli {
namespace {

/// Holds back what is printed on stderr and gives its first line to `said` in the end.
class HeldStderr {
 public:
  explicit HeldStderr(std::string& said) : said_(said), stderr_(::dup(2)), held_(::memfd_create("stderr", 0)) {
    if (stderr_ >= 0 && held_ >= 0) ::dup2(held_, 2);
  }
  ~HeldStderr() {
    char text[200];
    const ssize_t size = ::pread(held_, text, sizeof text, 0);
    if (size > 0) said_.assign(text, std::find(text, text + size, '\n'));
    if (stderr_ >= 0) ::dup2(stderr_, 2);
    ::close(stderr_);
    ::close(held_);
  }
  HeldStderr(const HeldStderr&) = delete;
  HeldStderr& operator=(const HeldStderr&) = delete;

 private:
  std::string& said_;
  const int stderr_, held_;
};

}  // namespace

template <typename Load>
auto Loader::load(const std::string& path, const Load& load) {
  media();  // what its loading prints is not about this file
  std::string said;
  auto loaded = [&] {
    const HeldStderr hold(said);
    return load();
  }();
  if (!said.empty()) notes_.insert(printable(path) + " is damaged and was used as far as it goes: " + printable(said));
  return loaded;
}

Image Loader::image(const std::string& path, const ImageLimits& limits) {
  return load(path, [&] { return media().load_image(path, limits); });
}

Clip Loader::audio(const std::string& path, int sample_rate_hz, const AudioLimits& limits) {
  return load(path, [&] { return media().load_audio(path, sample_rate_hz, limits); });
}

Loader::~Loader() {
  if (quiet_ || std::uncaught_exceptions() > 0) return;
  for (const auto& note : notes_) std::fprintf(stderr, "emoengine: note: %s\n", note.c_str());
}

namespace {

std::mutex notes_mutex;
std::vector<std::string> notes;

}  // namespace

void note(const std::string& line) {
  const std::lock_guard lock(notes_mutex);
  if (std::find(notes.begin(), notes.end(), line) == notes.end()) notes.push_back(line);
}

void tell_notes() {
  const std::lock_guard lock(notes_mutex);
  for (const auto& line : notes) std::fprintf(stderr, "emoengine: note: %s\n", one_line(line).c_str());
}

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

CLI::Validator within(double lowest, double highest) { return number_within(lowest, highest, false); }

CLI::Validator whole(double lowest, double highest) { return number_within(lowest, highest, true); }

void add_model_options(CLI::App& command, ModelOptions& options, Needs needs) {
  if (needs != Needs::kSpeech) {
    auto* file =
        command.add_option("--generator", options.generator, "weight file of the face generator [default: the one shipped]");
    command.add_flag("--lite", options.lite, "the smaller of the generators shipped: a third of the time, softer faces")
        ->excludes(file);
  }
  if (needs != Needs::kGenerator) {
    command.add_option("--speech", options.speech, "weight file of the speech model [default: the one shipped]");
  }
  const std::map<std::string, BackendKind> kinds = {
      {"auto", BackendKind::kAuto}, {"cpu", BackendKind::kCpu}, {"cuda", BackendKind::kCuda}};
  add_choice(command, "--backend", options.backend.kind, kinds, "where the models run [default: auto]");
  const std::map<std::string, Precision> precisions = {{"auto", Precision::kAuto},
                                                       {"fp32", Precision::kFp32},
                                                       {"tf32", Precision::kTf32},
                                                       {"bf16", Precision::kBf16},
                                                       {"fp16", Precision::kFp16}};
  add_choice(command, "--precision", options.backend.precision, precisions, "of the generator's arithmetic [default: auto]");
  command.add_option("--threads", options.backend.threads, "processor threads; 0: all that this process may use")
      ->capture_default_str()
      ->check(whole(0, 1024));
  add_max_tensors(command, options.max_tensors, "most tensors in a weight file");
  command.add_flag("--quiet,-q", options.quiet, "print nothing but errors");
}

void add_max_tensors(CLI::App& command, std::size_t& max_tensors, const std::string& description) {
  command.add_option("--max-tensors", max_tensors, description)->capture_default_str()->check(whole(1, 100'000));
}

Engine open_engine(const ModelOptions& options, Needs needs) {
  const auto path = [](const std::string& given, const char* name) {
    return given.empty() ? default_weights(name) : std::filesystem::path(given);
  };
  EngineOptions engine{.backend = options.backend, .max_tensors = options.max_tensors};
  if (!options.quiet) engine.backend.note = note;
  if (needs != Needs::kSpeech) {
    engine.generator = path(options.generator, options.lite ? "generator-lite.safetensors" : "generator.safetensors");
  }
  if (needs != Needs::kGenerator) engine.speech = path(options.speech, "speech.safetensors");
  return Engine(engine);
}

std::filesystem::path default_weights(const std::string& name) {
  std::error_code ignored;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", ignored);
  const auto installed = program.parent_path().parent_path() / "share/emoengine/weights" / name;
  const auto source = std::filesystem::path(EMO_SOURCE_DIR) / "weights" / name;
  if (std::filesystem::exists(installed, ignored)) return installed;
  if (std::filesystem::exists(source, ignored)) return source;
  fail(ErrorKind::kModel, "weights: ", name, " is neither at ", installed.string(), " nor at ", source.string(),
       "; name one with --generator or --speech");
}

namespace {

template <typename Files>
CLI::Option* image_options(CLI::App& command, Files& files, ImageLimits& limits, const char* help) {
  auto* option = command.add_option("--image,-i", files, help)->required();
  command.add_option("--max-megapixels", limits.max_megapixels, "largest picture taken")
      ->capture_default_str()
      ->check(within(0, 1000));  // OpenCV takes up to 2^30 pixels
  command.add_option("--max-image-side", limits.max_side, "longest side taken, px")
      ->capture_default_str()
      ->check(whole(1, 100'000));
  return option;
}

template <typename Files>
CLI::Option* audio_options(CLI::App& command, Files& files, AudioLimits& limits, const char* help) {
  auto* option = command.add_option("--audio,-a", files, help)->required();
  command.add_option("--max-audio-s", limits.max_seconds, "longest clip taken, seconds")
      ->capture_default_str()
      ->check(within(0, 86'400));
  return option;
}

}  // namespace

CLI::Option* add_image_options(CLI::App& command, std::string& image, ImageLimits& limits) {
  return image_options(command, image, limits, "photo: JPEG, PNG, WebP, TIFF, BMP");
}

CLI::Option* add_image_options(CLI::App& command, std::vector<std::string>& images, ImageLimits& limits) {
  return image_options(command, images, limits, "photos, folders, patterns: JPEG, PNG, WebP, TIFF, BMP");
}

CLI::Option* add_audio_options(CLI::App& command, std::string& audio, AudioLimits& limits) {
  return audio_options(command, audio, limits, "voice: WAV, FLAC, Ogg, MP3; any rate and channel count");
}

CLI::Option* add_audio_options(CLI::App& command, std::vector<std::string>& audios, AudioLimits& limits) {
  return audio_options(command, audios, limits, "voices, folders, patterns: WAV, FLAC, Ogg, MP3; any rate, any channels");
}

void add_expression_options(CLI::App& command, Expression& expression, Voice voice) {
  if (voice == Voice::kYes) add_intensity_option(command, expression);
  command.add_option("--emotion", expression.emotion,
                     "adds, for example, happiness=0.7,surprise=0.3: happiness, sadness, surprise, fear, anger, disgust");
  add_au_option(command, expression);
}

void add_intensity_option(CLI::App& command, Expression& expression) {
  command.add_option("--intensity", expression.intensity, "multiplies what the voice gave; results end at 1")
      ->capture_default_str()
      ->check(within(0, 10));
}

void add_au_option(CLI::App& command, Expression& expression) {
  command.add_option("--au", expression.au, "action units, last: \"12=1,6=0.8\" sets, a sign adds: \"4=+0.3,12=-0.2\"");
}

void add_face_option(CLI::App& command, FaceChoice& choice) {
  command.add_option("--face", choice.which, "which face: largest, all, or a number (1 is the largest)")
      ->capture_default_str()
      ->check([](const std::string& text) -> std::string {
        const auto value = parse_number(text);
        const bool counts = value && *value >= 1 && *value <= 1000 && *value == int(*value);
        return text == "largest" || text == "all" || counts ? "" : "'" + text + "' is not largest, all or a number from 1";
      });
}

std::vector<Box> choose_faces(const Image& image, const std::string& file, const FaceChoice& choice) {
  std::string tried;
  auto faces = media().find_faces(image, &tried);
  if (faces.empty()) {
    fail(ErrorKind::kInput, file, ": no face was found in ", image.width, "x", image.height, " px, tried ", tried,
         "; use a photo with an upright face seen from the front, or --crop none with generate");
  }
  if (choice.which == "all") return faces;
  const std::size_t n = choice.which == "largest" ? 1 : std::size_t(*parse_number(choice.which));
  if (n > faces.size()) {
    fail(ErrorKind::kInput, file, ": face ", n, " was asked for, but ", faces.size(), faces.size() == 1 ? " was" : " were",
         " found; use --face largest, all or a smaller number");
  }
  return {faces[n - 1]};
}

Box choose_face(const Image& image, const std::string& file, const FaceChoice& choice) {
  if (choice.which == "all") {
    fail(ErrorKind::kUsage, "--face all: one face is shown here; choose it with --face largest or --face N");
  }
  return choose_faces(image, file, choice)[0];
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

void StageClock::add(const std::string& name, double ms) { stages_.emplace_back(name, ms); }

nlohmann::ordered_json StageClock::to_json() const {
  nlohmann::ordered_json json;
  for (const auto& [name, ms] : stages_) json[name] = json.contains(name) ? json[name].get<double>() + ms : ms;
  return json;
}

std::string one_line(std::string text) {
  for (char& c : text) {
    if ((c >= 0 && c < ' ') || c == 127) c = '?';
  }
  return text;
}

std::string text_of(const nlohmann::ordered_json& json, int indent) {
  return json.dump(indent, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

nlohmann::ordered_json to_json(const ActionUnits& au) {
  nlohmann::ordered_json json;
  for (std::size_t i = 0; i < au.names().size(); ++i) json[au.names()[i]] = au.values()[i];
  return json;
}

nlohmann::ordered_json to_json(const EmotionReading& reading) {
  return {{"name", reading.name}, {"strength", reading.strength}};
}

std::string describe(const EmotionReading& reading) {
  if (reading.name == "neutral") return "neutral";
  char text[32];
  std::snprintf(text, sizeof text, "%.*s %.2f", int(reading.name.size()), reading.name.data(), reading.strength);
  return text;
}

std::string summary(const ActionUnits& au) {
  std::string line = describe(read_emotion(au)) + ":";
  for (std::size_t i = 0; i < au.names().size(); ++i) {
    if (au.values()[i] < 0.05f) continue;
    char text[16];
    std::snprintf(text, sizeof text, "=%.2f", double(au.values()[i]));
    line += " " + au.names()[i] + text;
  }
  return line;
}

}  // namespace emo::cli
