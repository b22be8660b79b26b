#include "engine/expression/action_units.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <optional>

#include "base/error.h"
#include "base/text.h"

namespace emo {
namespace {

/// "AU07": the form of the models' names.
std::string au_name(int number) {
  char name[16];
  std::snprintf(name, sizeof name, "AU%02d", number);
  return name;
}

/// Index of "7", "AU7", "au07", OpenFace's "AU07_r" ... among names; -1 when it is none of them.
int find_au(std::string_view name, const std::vector<std::string>& names) {
  const bool prefixed = name.size() > 2 && (name[0] == 'A' || name[0] == 'a') && (name[1] == 'U' || name[1] == 'u');
  auto number = prefixed ? name.substr(2) : name;
  if (prefixed && number.ends_with("_r")) number.remove_suffix(2);
  const auto value = parse_number(number);
  const auto wanted =
      value && *value >= 0 && *value <= 999 && *value == int(*value) ? au_name(int(*value)) : std::string(name);
  const auto it = std::find(names.begin(), names.end(), wanted);
  return it == names.end() ? -1 : int(it - names.begin());
}

/// Whether these are the same but for the case of their letters.
bool same_word(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

/// Calls take(name, value, signed) for each "name=value" of a comma-separated list, `signed` telling whether the value was
/// written with a sign; a name alone has value `alone`.
template <typename Take>
void each_setting(std::string_view option, std::string_view text, std::optional<double> alone, Take take) {
  const auto example = concat("; write for example ", option, " \"", alone ? "happiness=0.7" : "12=1,4=+0.3", "\"");
  if (trim(text).empty()) fail(ErrorKind::kUsage, option, ": nothing given", example);
  for (const auto part : split(text, ',')) {
    const auto equals = part.find('=');
    const auto text_of_value = equals == std::string_view::npos ? std::string_view() : trim(part.substr(equals + 1));
    const bool plus = text_of_value.starts_with('+'), minus = text_of_value.starts_with('-');
    const auto number = plus ? text_of_value.substr(1) : text_of_value;
    const auto value = equals == std::string_view::npos ? alone : parse_number(number);
    if (part.empty() || !value || (plus && number.starts_with('-'))) {
      fail(ErrorKind::kUsage, option, ": '", part, "' cannot be read", example);
    }
    take(trim(part.substr(0, equals)), *value, plus || minus);
  }
}

}  // namespace

ActionUnits::ActionUnits(std::vector<std::string> names)
    : names_(std::make_shared<const std::vector<std::string>>(std::move(names))), values_(names_->size(), 0.f) {}

ActionUnits::ActionUnits(std::vector<std::string> names, std::span<const float> values)
    : ActionUnits(ActionUnits(std::move(names)).with(values)) {}

ActionUnits ActionUnits::with(std::span<const float> values) const {
  EMO_CHECK(values.size() == names().size(), "action units: ", values.size(), " values for ", names().size(), " names");
  ActionUnits result = *this;
  for (std::size_t i = 0; i < values.size(); ++i) {
    EMO_CHECK(!std::isnan(values[i]), "action units: ", names()[i], " is NaN");
    result.values_[i] = std::clamp(values[i], 0.f, 1.f);
  }
  return result;
}

std::size_t ActionUnits::index_of(std::string_view name) const {
  const int i = find_au(name, names());
  if (i < 0) fail(ErrorKind::kUsage, "action units: '", name, "' is not one of this model's: ", joined(names()));
  return std::size_t(i);
}

void ActionUnits::set(std::string_view name, float value) {
  const auto i = index_of(name);
  if (!(value >= 0 && value <= 1)) {
    fail(ErrorKind::kUsage, "action units: ", names()[i], "=", value, " is outside 0..1; 1 is the strongest");
  }
  values_[i] = value;
}

void ActionUnits::add(std::string_view name, float change) {
  const auto i = index_of(name);
  if (!(change >= -1 && change <= 1)) {
    fail(ErrorKind::kUsage, "action units: a change of ", names()[i], " by ", change, " is outside -1..1");
  }
  values_[i] = std::clamp(values_[i] + change, 0.f, 1.f);
}

float ActionUnits::get(std::string_view name) const {
  const int i = find_au(name, names());
  return i < 0 ? 0.f : values_[std::size_t(i)];
}

ActionUnits ActionUnits::reordered(const std::vector<std::string>& names) const {
  ActionUnits result(names);
  for (std::size_t i = 0; i < names.size(); ++i) result.values_[i] = get(names[i]);
  return result;
}

double ActionUnits::norm() const {
  double sq = 0;
  for (const float v : values_) sq += double(v) * v;
  return std::sqrt(sq);
}

std::string_view au_meaning(std::string_view name) {
  static const std::vector<std::pair<std::string_view, std::string_view>> meanings = {{"AU01", "inner brow raiser"},
                                                                                      {"AU02", "outer brow raiser"},
                                                                                      {"AU04", "brow lowerer"},
                                                                                      {"AU05", "upper lid raiser"},
                                                                                      {"AU06", "cheek raiser"},
                                                                                      {"AU07", "lid tightener"},
                                                                                      {"AU09", "nose wrinkler"},
                                                                                      {"AU10", "upper lip raiser"},
                                                                                      {"AU12", "lip corner puller"},
                                                                                      {"AU14", "dimpler"},
                                                                                      {"AU15", "lip corner depressor"},
                                                                                      {"AU17", "chin raiser"},
                                                                                      {"AU20", "lip stretcher"},
                                                                                      {"AU23", "lip tightener"},
                                                                                      {"AU25", "lips part"},
                                                                                      {"AU26", "jaw drop"},
                                                                                      {"AU45", "blink"}};
  const auto it = std::find_if(meanings.begin(), meanings.end(), [&](const auto& entry) { return entry.first == name; });
  return it == meanings.end() ? std::string_view() : it->second;
}

AuEdits::AuEdits(std::string_view text, std::vector<std::string> names) {
  ActionUnits checked(std::move(names));
  each_setting("`au`", text, std::nullopt, [&](std::string_view name, double value, bool added) {
    added ? checked.add(name, float(value)) : checked.set(name, float(value));
    edits_.push_back({std::size_t(find_au(name, checked.names())), float(value), added});
  });
}

ActionUnits AuEdits::of(const ActionUnits& au) const {
  std::vector<float> values = au.values();
  for (const auto& [index, value, added] : edits_) {
    values[index] = added ? std::clamp(values[index] + value, 0.f, 1.f) : value;
  }
  return au.with(values);
}

ActionUnits parse_action_units(std::string_view text, const std::vector<std::string>& names) {
  return AuEdits(text, names).of(ActionUnits(names));
}

const std::vector<Emotion>& emotions() {
  static const std::vector<Emotion> table = {
      {"happiness", {6, 12}, {"happy", "joy", "joyful"}},
      {"sadness", {1, 4, 15}, {"sad", "sorrow"}},
      {"surprise", {1, 2, 5, 26}, {"surprised"}},
      {"fear", {1, 2, 4, 5, 7, 20, 26}, {"afraid", "fearful", "scared"}},
      {"anger", {4, 5, 7, 23}, {"angry"}},
      {"disgust", {9, 15}, {"disgusted"}},
  };
  return table;
}

ActionUnits parse_emotions(std::string_view text, const std::vector<std::string>& names) {
  std::vector<float> sum(names.size(), 0.f);
  each_setting("`emotion`", text, 1.0, [&](std::string_view name, double value, bool) {
    if (value < 0 || value > 1) {
      fail(ErrorKind::kUsage, "`emotion`: ", name, "=", value, " is outside 0..1; 1 is the strongest");
    }
    const auto is = [&](std::string_view word) { return same_word(name, word); };
    if (is("neutral") || is("calm")) return;
    const auto& table = emotions();
    const auto it =
        std::ranges::find_if(table, [&](const Emotion& e) { return is(e.name) || std::ranges::any_of(e.aliases, is); });
    if (it == table.end()) {
      std::string known = "neutral";
      for (const auto& e : table) known += ", " + std::string(e.name);
      fail(ErrorKind::kUsage, "`emotion`: '", name, "' is not known; choose from ", known);
    }
    for (const int number : it->aus) {
      if (const int i = find_au(au_name(number), names); i >= 0) sum[std::size_t(i)] += float(value);
    }
  });
  return {names, sum};
}

namespace {

/// Of each of emotions(), the length of the projection on its prototype.
std::vector<double> projections(const ActionUnits& au) {
  std::vector<double> lengths;
  for (const auto& emotion : emotions()) {
    double dot = 0;
    for (const int number : emotion.aus) dot += au.get(au_name(number));
    lengths.push_back(dot / std::sqrt(double(emotion.aus.size())));
  }
  return lengths;
}

constexpr double kNeutralNorm = 0.5;  // shorter AUs are the neutral face

}  // namespace

EmotionReading read_emotion(const ActionUnits& au) {
  if (au.norm() < kNeutralNorm) return {"neutral", 0.0};
  // The residual after projection on a unit prototype p is |au|^2 - max(0, au.p)^2: least where the projection is largest.
  const auto lengths = projections(au);
  const auto longest = std::ranges::max_element(lengths);
  const Emotion& emotion = emotions()[std::size_t(longest - lengths.begin())];
  return {emotion.name, *longest / std::sqrt(double(emotion.aus.size()))};
}

ActionUnits sharpened(const ActionUnits& au, double sharpness) {
  if (sharpness == 0) return au;
  const double norm = au.norm();
  std::vector<double> weights = projections(au);
  const double longest = std::max(kNeutralNorm, std::ranges::max(weights));
  double sum = std::exp(sharpness * (kNeutralNorm - longest));
  for (double& weight : weights) sum += weight = std::exp(sharpness * (weight - longest));
  std::vector<float> values(au.names().size());
  for (std::size_t e = 0; e < weights.size(); ++e) {
    const Emotion& emotion = emotions()[e];
    for (const int number : emotion.aus) {
      const int i = find_au(au_name(number), au.names());
      if (i >= 0) values[std::size_t(i)] += float(norm * weights[e] / sum / std::sqrt(double(emotion.aus.size())));
    }
  }
  return au.with(values);
}

}  // namespace emo
