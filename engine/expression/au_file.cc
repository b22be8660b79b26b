#include "engine/expression/au_file.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "base/file.h"
#include "base/npy.h"
#include "base/text.h"

namespace emo {
namespace {

constexpr double kOpenFaceMax = 5.0;  // OpenFace's intensities go from 0 to 5

/// Builds a curve row by row; says where in the file something is wrong.
class CurveReader {
 public:
  CurveReader(std::string file, const std::vector<std::string>& names) : file_(std::move(file)), neutral_(names) {}

  template <typename... Why>
  [[noreturn]] void refuse(const Why&... why) const {
    fail(ErrorKind::kInput, file_, ": ", why...);
  }

  /// Column i of the file holds AU `columns[i]`: checks that each of the model's is there once, and no other.
  void check_columns(const std::vector<std::string>& columns) const {
    const auto& names = neutral_.names();
    for (const auto& column : columns) {
      if (std::count(names.begin(), names.end(), column) == 0) refuse("has ", column, ", which this model does not know");
      if (std::count(columns.begin(), columns.end(), column) > 1) refuse("has ", column, " twice");
    }
    for (const auto& name : names) {
      if (std::count(columns.begin(), columns.end(), name) == 0)
        refuse("lacks ", name, "; all of the model's AUs are needed");
    }
  }

  void add(const std::string& where, double time_s, const std::vector<std::string>& columns, std::span<const double> values,
           double max) {
    if (time_s < 0) refuse(where, ": the time ", time_s, " is negative");
    if (!curve_.times_s.empty() && time_s <= curve_.times_s.back()) {
      refuse(where, ": the time ", time_s, " does not come after ", curve_.times_s.back(), "; sort the rows by time");
    }
    ActionUnits au = neutral_;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      if (!(values[i] >= 0 && values[i] <= max))
        refuse(where, ": ", columns[i], " is ", values[i], "; 0 to ", max, " is needed");
      au.set(columns[i], float(values[i] / max));
    }
    curve_.times_s.push_back(time_s);
    curve_.rows.push_back(std::move(au));
  }

  AuCurve done() {
    if (curve_.rows.empty()) refuse("has no rows; at least one is needed");
    return std::move(curve_);
  }

 private:
  std::string file_;
  const ActionUnits neutral_;
  AuCurve curve_;
};

AuCurve read_csv(const std::string& file, std::string_view text, const std::vector<std::string>& names) {
  CurveReader reader(file, names);
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  const auto lines = split(text, '\n');
  std::vector<std::string> columns;
  std::vector<std::size_t> fields;
  std::optional<std::size_t> timestamp;
  const auto header = split(lines[0], ',');
  for (std::size_t i = 0; i < header.size(); ++i) {
    if (header[i] == "timestamp") {
      if (timestamp) reader.refuse("has the column 'timestamp' twice");
      timestamp = i;
    }
    if (!header[i].starts_with("AU") || !header[i].ends_with("_r")) continue;
    columns.emplace_back(header[i].substr(0, header[i].size() - 2));
    fields.push_back(i);
  }
  if (header.size() == 1 && lines[0].find_first_of(";\t") != std::string_view::npos) {
    reader.refuse("is separated by other characters; commas between the columns are needed");
  }
  if (!timestamp) reader.refuse("has no column 'timestamp'; a table as OpenFace writes it is needed");
  reader.check_columns(columns);

  std::vector<double> values(columns.size());
  for (std::size_t n = 1; n < lines.size(); ++n) {
    if (lines[n].empty()) continue;
    const std::string where = "line " + std::to_string(n + 1);
    const auto row = split(lines[n], ',');
    if (row.size() != header.size()) reader.refuse(where, " has ", row.size(), " fields; the header has ", header.size());
    const auto read = [&](std::size_t field) {
      const auto value = parse_number(row[field]);
      if (!value) reader.refuse(where, ": ", header[field], " is '", row[field], "'; a number is needed");
      return *value;
    };
    for (std::size_t i = 0; i < fields.size(); ++i) values[i] = read(fields[i]);
    reader.add(where, read(*timestamp), columns, values, kOpenFaceMax);
  }
  return reader.done();
}

AuCurve read_json(const std::string& file, std::string_view text, const std::vector<std::string>& names) {
  CurveReader reader(file, names);
  try {
    const auto json = nlohmann::json::parse(text);
    const auto columns = json.at("au_names").get<std::vector<std::string>>();
    reader.check_columns(columns);
    std::size_t n = 0;
    for (const auto& row : json.at("rows")) {
      const std::string where = "row " + std::to_string(++n);
      const auto values = row.at("au").get<std::vector<double>>();
      if (values.size() != columns.size())
        reader.refuse(where, " has ", values.size(), " AUs; ", columns.size(), " are needed");
      reader.add(where, row.at("timestamp").get<double>(), columns, values, 1.0);
    }
  } catch (const nlohmann::json::exception& e) {
    reader.refuse("cannot be read as AU rows: ", e.what());
  }
  return reader.done();
}

AuCurve read_array(const std::filesystem::path& path, const std::vector<std::string>& names, double fps) {
  CurveReader reader(path.string(), names);
  const auto array = read_npy(path);
  if (array.shape.size() != 2 || array.shape[1] != std::int64_t(names.size())) {
    reader.refuse("is not of shape (rows, ", names.size(), "); one column an AU is needed");
  }
  std::vector<double> values(names.size());
  for (std::int64_t r = 0; r < array.shape[0]; ++r) {
    std::copy_n(array.values.begin() + r * std::int64_t(names.size()), names.size(), values.begin());
    reader.add("row " + std::to_string(r + 1), double(r) / fps, names, values, 1.0);
  }
  return reader.done();
}

std::string to_json(const AuCurve& curve) {
  nlohmann::ordered_json json;
  json["au_names"] = curve.rows.at(0).names();
  for (std::size_t i = 0; i < curve.rows.size(); ++i) {
    json["rows"].push_back({{"timestamp", curve.times_s[i]}, {"au", curve.rows[i].values()}});
  }
  return json.dump(1) + "\n";
}

}  // namespace

std::string to_csv(const AuCurve& curve) {
  std::string text = "frame,timestamp,confidence,success";
  for (const auto& name : curve.rows.at(0).names()) text += "," + name + "_r";
  text += "\n";
  char field[64];
  for (std::size_t i = 0; i < curve.rows.size(); ++i) {
    std::snprintf(field, sizeof field, "%zu,%.3f,1,1", i + 1, curve.times_s[i]);
    text += field;
    for (const float value : curve.rows[i].values()) {
      // OpenFace writes two decimals; four keep a curve that is written and read within 1e-5 of itself.
      std::snprintf(field, sizeof field, ",%.4f", value * kOpenFaceMax);
      text += field;
    }
    text += "\n";
  }
  return text;
}

void write_au_file(const std::filesystem::path& path, const AuCurve& curve) {
  const std::string extension = known_extension("output", path, kAuFileExtensions);
  if (extension == ".npy") {
    std::vector<float> values;
    for (const auto& row : curve.rows) values.insert(values.end(), row.values().begin(), row.values().end());
    const std::int64_t shape[] = {std::int64_t(curve.rows.size()), std::int64_t(curve.rows.at(0).names().size())};
    return write_npy(path, shape, values);
  }
  OutputFile out(path);
  out.write(extension == ".csv" ? to_csv(curve) : to_json(curve));
  out.commit();
}

AuCurve read_au_file(const std::filesystem::path& path, const std::vector<std::string>& names, double npy_fps) {
  const std::string extension = known_extension("input", path, kAuFileExtensions);
  if (extension == ".npy") return read_array(path, names, npy_fps);
  const MappedFile file(path, ErrorKind::kInput);
  const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  return extension == ".csv" ? read_csv(path.string(), text, names) : read_json(path.string(), text, names);
}

}  // namespace emo
