#include "tools/emoengine/serve/inputs.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "base/error.h"
#include "base/memory_file.h"
#include "base/text.h"
#include "engine/expression/au_file.h"
#include "engine/pipeline/face_finder.h"
#include "tools/emoengine/serve/http.h"
#include "tools/emoengine/serve/limits.h"

namespace emo::serve {
namespace {

using nlohmann::json;

template <typename... Why>
[[noreturn]] void refuse(const Why&... why) {
  throw HttpError(400, concat(why...));
}

/// Gives bytes to what reads a file; in an error's text they are called by their field.
template <typename Read>
auto read_from_memory(std::string_view bytes, const std::string& field, const Read& read) {
  const MemoryFile file(std::as_bytes(std::span(bytes)));
  const std::string path = file.path().string();
  try {
    return read(file.path());
  } catch (const Error& e) {
    if (e.kind() == ErrorKind::kDevice) {
      throw HttpError(415, field +
                               ": this server lacks the library for files of this kind; send a JPEG or PNG picture, a WAV "
                               "or FLAC sound");
    }
    throw Error(e.kind(), replaced(e.what(), path, field));
  }
}

}  // namespace

Image read_photo(std::string_view file, const ImageLimits& limits) {
  return flattened(read_from_memory(file, "`image`", [&](const auto& path) { return media().load_image(path, limits); }));
}

Clip read_voice(std::string_view file, int sample_rate_hz, const AudioLimits& limits) {
  return read_from_memory(file, "`audio`",
                          [&](const auto& path) { return media().load_audio(path, sample_rate_hz, limits); });
}

std::vector<Box> choose_faces(const Engine& engine, const Image& photo, std::string_view face) {
  const bool all = face == "all";
  const auto index = face.empty() || face == "largest" ? 0 : parse_number(face);
  std::string tried;
  const auto faces = find_faces(engine, photo, all || index != 0 ? FaceCount::kAll : FaceCount::kLargest, &tried);
  if (faces.empty()) {
    refuse("`image`: no face was found in ", photo.width, "x", photo.height, " px, tried ", tried,
           "; use a photo with an upright face seen from the front");
  }
  if (all) return faces;
  if (index && *index >= 0 && *index < double(faces.size()) && *index == std::floor(*index)) {
    return {faces[std::size_t(*index)]};
  }
  refuse("`face`: '", printable(face), "' came; largest, all or an index from 0 to ", faces.size() - 1, " is needed");
}

Detail read_detail(std::string_view name) {
  for (const Detail detail : {Detail::kAuto, Detail::kSharp, Detail::kNetwork}) {
    if (name == name_of(detail)) return detail;
  }
  throw HttpError(400, concat("`detail`: '", printable(name), "' came; auto, sharp or network is needed"));
}

ActionUnits read_aus(const json& given, const std::vector<std::string>& names) {
  ActionUnits au(names);
  const auto number = [](const json& value, const std::string& name) {
    if (value.is_number()) return float(value.get<double>());
    refuse("`aus`: ", printable(name), " is no number; one from 0 to 1 is needed");
  };
  if (given.is_object()) {
    for (const auto& [name, value] : given.items()) au.set(name, number(value, name));
  } else if (given.is_array() && given.size() == names.size()) {
    for (std::size_t i = 0; i < names.size(); ++i) au.set(names[i], number(given[i], names[i]));
  } else {
    refuse("`aus`: an object {\"AU12\": 1, ...} or an array of ", names.size(), " numbers is needed");
  }
  return au;
}

namespace {

void check_rows(std::size_t rows) {
  if (rows > limits::kMaxCurveRows) refuse("`curve`: ", rows, " rows came; at most ", limits::kMaxCurveRows, " are taken");
}

/// A table takes much more room when it is read.
void check_table(std::string_view text) {
  if (text.size() > limits::kMaxJsonBytes) {
    throw HttpError(
        413, concat("`curve`: a table of ", text.size(), " bytes came; at most ", limits::kMaxJsonBytes, " are taken"));
  }
  check_rows(std::size_t(std::ranges::count(text, '\n')));
  for (std::size_t start = 0, end = 0; end != text.npos; start = end + 1) {
    end = text.find('\n', start);
    const std::size_t length = (end == text.npos ? text.size() : end) - start;
    if (length > limits::kMaxTableLineBytes) {
      refuse("`curve`: a line of ", length, " bytes came; at most ", limits::kMaxTableLineBytes, " are taken");
    }
  }
}

}  // namespace

AuCurve read_curve(std::string_view text, const std::vector<std::string>& names, double fps) {
  const std::string_view start = trim(text.substr(0, text.find_first_not_of(" \t\r\n") + 1));
  if (start != "{") {
    check_table(text);
    return from_csv("`curve`", text, names, {fps, ""});
  }
  const json given = read_json(text, "`curve`");
  const json rate = given.value("fps", json(fps)), none;
  const auto found = given.find("rows");
  const json& rows = found == given.end() ? none : *found;  // no copy: they may be large
  if (!rate.is_number() || !(rate.get<double>() >= limits::kMinFps && rate.get<double>() <= limits::kMaxFps)) {
    refuse("`curve`: fps is to be a number from ", limits::kMinFps, " to ", limits::kMaxFps);
  }
  if (!rows.is_array() || rows.empty()) refuse("`curve`: \"rows\": [[", names.size(), " numbers], ...] is needed");
  check_rows(rows.size());
  std::vector<double> times;
  for (std::size_t i = 0; i < rows.size(); ++i) times.push_back(double(i) / rate.get<double>());
  AuCurve curve(names, std::move(times));
  for (std::size_t i = 0; i < rows.size(); ++i) curve.set_row(i, read_aus(rows[i], names));
  return curve;
}

nlohmann::ordered_json rows_of(const AuCurve& curve) {
  auto rows = nlohmann::ordered_json::array();
  for (std::size_t i = 0; i < curve.rows(); ++i) {
    auto& row = rows.emplace_back(nlohmann::ordered_json::array());
    for (const float value : std::span(curve.values.row(int(i)), curve.names.size()))
      row.push_back(std::round(double(value) * 1e4) / 1e4);
  }
  return rows;
}

void add_emotion(nlohmann::ordered_json& to, const ActionUnits& au) {
  to["emotion"] = read_emotion(au).name;
  for (const Emotion& emotion : emotions()) {
    const ActionUnits prototype = parse_emotions(emotion.name, au.names());
    double dot = 0;
    for (std::size_t i = 0; i < au.values().size(); ++i) dot += double(au.values()[i]) * double(prototype.values()[i]);
    to["scores"][std::string(emotion.name)] = std::round(1000 * dot / (prototype.norm() * prototype.norm())) / 1000;
  }
}

}  // namespace emo::serve
