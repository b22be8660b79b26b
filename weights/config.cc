#include "weights/config.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>
#include <type_traits>
#include <utility>

#include "base/error.h"
#include "base/limits.h"
#include "weights/json.h"

namespace emo {

const char* noun_of(const ModelConfig& config) {
  return std::holds_alternative<GeneratorConfig>(config) ? "generator"
         : std::holds_alternative<SpeechConfig>(config)  ? "speech model"
                                                         : "face reader";
}

namespace {

using nlohmann::json;

constexpr int kFormat = 1;

/// Keys that older weight files lack; their defaults are what such a file means.
constexpr std::string_view kCameLater[] = {"emotion_sharpness", "voice_change_db", "voice_over_noise_db",
                                           "voice_hold_frames", "level_frames",    "live_window_s",
                                           "triangles"};

// The keys of a config, named once: writing, reading, unknown and missing keys all follow from these two.

template <typename Config, typename Visit>
requires std::is_same_v<std::remove_const_t<Config>, GeneratorConfig>
void for_each_key(Config& c, Visit&& visit) {
  visit("conv_dim", c.conv_dim);
  visit("res_blocks", c.res_blocks);
  visit("image_size", c.image_size);
  visit("norm_eps", c.norm_eps);
  visit("norm_affine", c.norm_affine);
  visit("au_names", c.au_names);
  visit("au_scale", c.au_scale);
  visit("mask_keeps_image", c.mask_keeps_image);
  visit("pixel_min", c.pixel_min);
  visit("pixel_max", c.pixel_max);
  visit("channel_order", c.channel_order);
  visit("crop_scale", c.crop_scale);
  visit("resize_filter", c.resize_filter);
}

template <typename Config, typename Visit>
requires std::is_same_v<std::remove_const_t<Config>, SpeechConfig>
void for_each_key(Config& c, Visit&& visit) {
  visit("sample_rate_hz", c.sample_rate_hz);
  visit("n_fft", c.n_fft);
  visit("win_length", c.win_length);
  visit("hop_length", c.hop_length);
  visit("n_mels", c.n_mels);
  visit("f_min_hz", c.f_min_hz);
  visit("f_max_hz", c.f_max_hz);
  visit("mel_scale", c.mel_scale);
  visit("log_mode", c.log_mode);
  visit("top_db", c.top_db);
  visit("n_mfcc", c.n_mfcc);
  visit("deltas", c.deltas);
  visit("trim_db", c.trim_db);
  visit("trim_pad_frames", c.trim_pad_frames);
  visit("voice_change_db", c.voice_change_db);
  visit("voice_over_noise_db", c.voice_over_noise_db);
  visit("voice_hold_frames", c.voice_hold_frames);
  visit("level_frames", c.level_frames);
  visit("utterance_mean_subtracted", c.utterance_mean_subtracted);
  visit("frame_stride", c.frame_stride);
  visit("feature_mean", c.feature_mean);
  visit("feature_std", c.feature_std);
  visit("lstm_hidden", c.lstm_hidden);
  visit("lstm_layers", c.lstm_layers);
  visit("bidirectional", c.bidirectional);
  visit("readout", c.readout);
  visit("readout_window_s", c.readout_window_s);
  visit("live_window_s", c.live_window_s);
  visit("emotion_sharpness", c.emotion_sharpness);
  visit("au_names", c.au_names);
}

/// The words for an enumeration's values, in their order.
constexpr auto words(ChannelOrder) { return std::array{"rgb", "bgr"}; }
constexpr auto words(ResizeFilter) { return std::array{"area", "bilinear", "bicubic"}; }
constexpr auto words(MelScale) { return std::array{"htk", "slaney"}; }
constexpr auto words(LogMode) { return std::array{"db_power", "ln"}; }
constexpr auto words(Readout) { return std::array{"last", "mean"}; }

template <typename T>
concept Enum = std::is_enum_v<T>;

template <typename Config, typename Visit>
requires std::is_same_v<std::remove_const_t<Config>, ReaderConfig>
void for_each_key(Config& c, Visit&& visit) {
  visit("image_size", c.image_size);
  visit("channels", c.channels);
  visit("strides", c.strides);
  visit("crop_scale", c.crop_scale);
  visit("confidence_threshold", c.confidence_threshold);
  visit("eye_distance", c.eye_distance);
  visit("eyes_x", c.eyes_x);
  visit("eyes_y", c.eyes_y);
  visit("au_names", c.au_names);
  visit("triangles", c.triangles);
}

constexpr const char* kind_of(const GeneratorConfig&) { return "generator"; }
constexpr const char* kind_of(const SpeechConfig&) { return "speech"; }
constexpr const char* kind_of(const ReaderConfig&) { return "reader"; }

bool read(const json& value, bool& out) {
  if (!value.is_boolean()) return false;
  out = value.get<bool>();
  return true;
}

bool read(const json& value, int& out) {
  if (!value.is_number_integer()) return false;
  if (value.is_number_unsigned() && value.get<std::uint64_t>() > std::uint64_t(std::numeric_limits<int>::max()))
    return false;
  if (value.get<std::int64_t>() < std::numeric_limits<int>::min()) return false;
  out = value.get<int>();
  return true;
}

bool read(const json& value, double& out) {
  if (!value.is_number()) return false;
  out = value.get<double>();
  return true;
}

bool read(const json& value, std::string& out) {
  if (!value.is_string()) return false;
  out = value.get<std::string>();
  return true;
}

template <Enum E>
bool read(const json& value, E& out) {
  const auto known = words(out);
  const auto found = std::ranges::find(known, value);
  if (found == known.end()) return false;
  out = E(found - known.begin());
  return true;
}

template <typename T>
bool read(const json& value, std::vector<T>& out) {
  if (!value.is_array()) return false;
  out.assign(value.size(), T());
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (!read(value[i], out[i])) return false;
  }
  return true;
}

constexpr const char* needed(const bool&) { return "true or false"; }
constexpr const char* needed(const int&) { return "an integer"; }
constexpr const char* needed(const double&) { return "a number"; }
constexpr const char* needed(const std::string&) { return "a string"; }
template <Enum E>
std::string needed(E value) {
  std::string list;
  for (const char* word : words(value)) list += concat(list.empty() ? "" : " or ", '"', word, '"');
  return list;
}
constexpr const char* needed(const std::vector<int>&) { return "a list of integers"; }
constexpr const char* needed(const std::vector<double>&) { return "a list of numbers"; }
constexpr const char* needed(const std::vector<std::string>&) { return "a list of strings"; }

template <typename Config>
ModelConfig read_config(const json& object, const std::string& where, bool complete) {
  Config config;
  std::set<std::string> known = {"format", "kind"};
  for_each_key(config, [&](const char* key, auto& value) {
    known.insert(key);
    const auto found = object.find(key);
    if (found == object.end()) {
      if (complete && std::ranges::find(kCameLater, key) == std::end(kCameLater))
        fail(ErrorKind::kModel, where, ": ", key, " is missing; a ", noun_of(config), " needs it");
    } else if (!read(*found, value)) {
      fail(ErrorKind::kModel, where, ": ", key, " is ", printable(found->dump()), "; ", needed(value), " is needed");
    }
  });
  for (const auto& [key, value] : object.items()) {
    if (!known.contains(key)) {
      fail(ErrorKind::kModel, where, ": key '", printable(key), "' is not known for a ", noun_of(config),
           "; check its spelling, or use a newer emoengine");
    }
  }
  if constexpr (std::is_same_v<Config, SpeechConfig>) {
    if (config.n_mfcc > 0 && config.n_mfcc <= limits::kMaxMels) {  // another n_mfcc is refused below
      if (!object.contains("feature_mean")) config.feature_mean.assign(config.features(), 0);
      if (!object.contains("feature_std")) config.feature_std.assign(config.features(), 1);
    }
  }
  if constexpr (std::is_same_v<Config, ReaderConfig>) {  // one alone may have any length
    if (!object.contains("channels")) config.channels.resize(config.strides.size(), 1);
    if (!object.contains("strides")) config.strides.resize(config.channels.size(), 1);
  }
  check(config, where);
  return config;
}

/// Whether an object has a key that such a config has and a generator's has not.
template <typename Config>
bool has_key_of(const json& object) {
  std::set<std::string_view> generators;
  const GeneratorConfig generator;
  for_each_key(generator, [&](std::string_view key, const auto&) { generators.insert(key); });
  bool found = false;
  const Config config;
  for_each_key(config,
               [&](std::string_view key, const auto&) { found |= !generators.contains(key) && object.contains(key); });
  return found;
}

/// Fails with "WHERE: KEY is VALUE; ... is needed".
class Checker {
 public:
  explicit Checker(const std::string& where) : where_(where) {}

  void range(const char* key, double value, double lowest, double highest) const {
    if (value >= lowest && value <= highest) return;  // never so for a NaN
    fail(ErrorKind::kModel, where_, ": ", key, " is ", value, "; ", lowest, " to ", highest, " is needed");
  }
  void holds(bool condition, const std::string& text) const {
    if (!condition) fail(ErrorKind::kModel, where_, ": ", text);
  }
  void au_names(const std::vector<std::string>& names) const {
    range("the number of au_names", double(names.size()), 1, limits::kMaxAus);
    std::set<std::string> seen;
    for (const std::string& name : names) {
      const auto digit = [&](std::size_t i) { return name[i] >= '0' && name[i] <= '9'; };
      holds(name.size() == 4 && name.starts_with("AU") && digit(2) && digit(3),
            "au_names holds '" + printable(name) + "'; AU and two digits are needed, as AU01");
      holds(seen.insert(name).second, "au_names holds " + name + " twice");
    }
  }

 private:
  const std::string& where_;
};

}  // namespace

const std::vector<std::string>& default_au_names() {
  static const std::vector<std::string> names = {"AU01", "AU02", "AU04", "AU05", "AU06", "AU07", "AU09", "AU10", "AU12",
                                                 "AU14", "AU15", "AU17", "AU20", "AU23", "AU25", "AU26", "AU45"};
  return names;
}

const char* name_of(ChannelOrder order) { return words(order)[std::size_t(order)]; }
const char* name_of(ResizeFilter filter) { return words(filter)[std::size_t(filter)]; }
const char* name_of(MelScale scale) { return words(scale)[std::size_t(scale)]; }
const char* name_of(LogMode mode) { return words(mode)[std::size_t(mode)]; }
const char* name_of(Readout readout) { return words(readout)[std::size_t(readout)]; }

nlohmann::ordered_json json_of(const ModelConfig& config) {
  nlohmann::ordered_json object = {{"format", kFormat}};
  std::visit(
      [&](const auto& c) {
        object["kind"] = kind_of(c);
        for_each_key(c, [&](const char* key, const auto& value) {
          if constexpr (Enum<std::remove_cvref_t<decltype(value)>>) {
            object[key] = name_of(value);
          } else {
            object[key] = value;
          }
        });
      },
      config);
  return object;
}

std::string to_json(const ModelConfig& config, int indent) { return json_of(config).dump(indent); }

ModelConfig config_from_json(const std::string& text, const std::string& where, bool complete) {
  return config_of(parse_json(text, where), where, complete);
}

ModelConfig config_of(const json& object, const std::string& where, bool complete) {
  if (!object.is_object()) fail(ErrorKind::kModel, where, ": is not a JSON object");
  if (const auto format = object.find("format"); format != object.end()) {
    int number = 0;
    if (!read(*format, number) || number < 1) {
      fail(ErrorKind::kModel, where, ": format is ", printable(format->dump()), "; ", kFormat, " is needed");
    }
    if (number > kFormat) {
      fail(ErrorKind::kModel, where, ": format is ", number, " and this build reads up to ", kFormat,
           "; use a newer emoengine");
    }
  } else if (complete) {
    fail(ErrorKind::kModel, where, ": format is missing");
  }

  std::string kind = has_key_of<SpeechConfig>(object) ? "speech" : has_key_of<ReaderConfig>(object) ? "reader" : "generator";
  if (const auto named = object.find("kind"); named != object.end()) {
    if (!read(*named, kind) || (kind != "generator" && kind != "speech" && kind != "reader")) {
      fail(ErrorKind::kModel, where, ": kind is ", printable(named->dump()),
           "; \"generator\", \"speech\" or \"reader\" is needed");
    }
  } else if (complete) {
    fail(ErrorKind::kModel, where, ": kind is missing");
  }
  if (kind == "speech") return read_config<SpeechConfig>(object, where, complete);
  if (kind == "reader") return read_config<ReaderConfig>(object, where, complete);
  return read_config<GeneratorConfig>(object, where, complete);
}

void check(const GeneratorConfig& config, const std::string& where) {
  const Checker check(where);
  check.range("conv_dim", config.conv_dim, 1, limits::kMaxConvDim);
  check.range("res_blocks", config.res_blocks, 1, limits::kMaxResBlocks);
  check.range("image_size", config.image_size, limits::kMinGeneratorSide, limits::kMaxGeneratorSide);
  check.holds(config.image_size % 4 == 0, concat("image_size is ", config.image_size, "; a multiple of 4 is needed"));
  check.range("norm_eps", config.norm_eps, 1e-12, 1);
  check.au_names(config.au_names);
  check.range("au_scale", config.au_scale, 1e-3, 1e3);
  check.range("pixel_min", config.pixel_min, -1e3, 1e3);
  check.range("pixel_max", config.pixel_max, -1e3, 1e3);
  check.holds(config.pixel_min < config.pixel_max,
              concat("pixel_min ", config.pixel_min, " must be under pixel_max ", config.pixel_max));
  check.range("crop_scale", config.crop_scale, 0.1, 10);
}

void check(const ReaderConfig& config, const std::string& where) {
  const Checker check(where);
  check.range("image_size", config.image_size, limits::kMinReaderSide, limits::kMaxReaderSide);
  check.range("the number of channels", double(config.channels.size()), 1, limits::kMaxReaderLayers);
  check.holds(config.strides.size() == config.channels.size(),
              concat("strides lists ", config.strides.size(), " values and channels ", config.channels.size(),
                     "; one of each a convolution is needed"));
  for (const int channels : config.channels) check.range("channels", channels, 1, limits::kMaxReaderChannels);
  for (const int stride : config.strides) check.range("strides", stride, 1, 2);
  check.range("crop_scale", config.crop_scale, 0.5, 3);
  check.range("confidence_threshold", config.confidence_threshold, 0, 1);
  check.range("eye_distance", config.eye_distance, 0.1, 2);
  check.range("eyes_x", config.eyes_x, -1, 2);
  check.range("eyes_y", config.eyes_y, -1, 2);
  check.au_names(config.au_names);
  check.range("triangles", config.triangles, 0, limits::kMaxFaceTriangles);
}

void check(const SpeechConfig& config, const std::string& where) {
  const Checker check(where);
  check.range("sample_rate_hz", config.sample_rate_hz, limits::kMinSampleRateHz, limits::kMaxSampleRateHz);
  check.range("n_fft", config.n_fft, 2, limits::kMaxFft);
  check.holds(config.n_fft % 2 == 0, concat("n_fft is ", config.n_fft, "; an even number is needed"));
  check.range("win_length", config.win_length, 1, config.n_fft);
  check.range("hop_length", config.hop_length, 1, config.n_fft);
  check.range("n_mels", config.n_mels, 1, limits::kMaxMels);
  check.range("f_max_hz", config.f_max_hz, 1, config.sample_rate_hz / 2.0);
  check.range("f_min_hz", config.f_min_hz, 0, config.f_max_hz);
  check.holds(config.f_min_hz < config.f_max_hz,
              concat("f_min_hz ", config.f_min_hz, " must be under f_max_hz ", config.f_max_hz));
  check.range("top_db", config.top_db, -1e3, 1e3);
  check.range("n_mfcc", config.n_mfcc, 1, config.n_mels);
  check.range("trim_db", config.trim_db, -1e3, 1e3);
  check.range("trim_pad_frames", config.trim_pad_frames, 0, 1e6);
  check.range("voice_change_db", config.voice_change_db, 0, 100);
  check.holds(config.voice_change_db == 0 || config.log_mode == LogMode::kDbPower,
              concat("voice_change_db ", config.voice_change_db, " needs log_mode db_power"));
  check.holds(config.voice_change_db == 0 || !config.deltas,
              concat("voice_change_db ", config.voice_change_db, " needs deltas false: there are no slopes over a cut"));
  check.range("voice_over_noise_db", config.voice_over_noise_db, 0, 100);
  check.range("voice_hold_frames", config.voice_hold_frames, 0, 1e6);
  check.range("level_frames", config.level_frames, 1, 1e6);
  check.range("frame_stride", config.frame_stride, 1, 1e3);
  for (const auto& [key, values] : {std::pair{"feature_mean", &config.feature_mean}, {"feature_std", &config.feature_std}}) {
    check.holds(int(values->size()) == config.features(),
                concat(key, " holds ", values->size(), " numbers; ", config.features(), " are needed, one a feature"));
  }
  for (const double mean : config.feature_mean) check.range("feature_mean", mean, -1e6, 1e6);
  for (const double std : config.feature_std) check.range("feature_std", std, 1e-6, 1e6);
  check.range("lstm_hidden", config.lstm_hidden, 1, limits::kMaxLstmHidden);
  check.range("lstm_layers", config.lstm_layers, 1, limits::kMaxLstmLayers);
  check.range("readout_window_s", config.readout_window_s, 1e-3, limits::kMaxAudioSeconds);
  check.range("live_window_s", config.live_window_s, 1e-3, limits::kMaxAudioSeconds);
  check.range("emotion_sharpness", config.emotion_sharpness, 0, 1e3);
  check.au_names(config.au_names);
}

}  // namespace emo
