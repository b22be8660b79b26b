#include "engine/expression/au_file.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iterator>
#include <limits>
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
constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

/// "AU01, AU02"
std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

/// Builds a curve row by row; says where in the file something is wrong.
class CurveReader {
 public:
  CurveReader(std::string file, const std::vector<std::string>& names) : file_(std::move(file)), names_(names) {}

  template <typename... Why>
  [[noreturn]] void refuse(const Why&... why) const {
    fail(ErrorKind::kInput, file_, ": ", why...);
  }

  /// Column i of the file holds AU `columns[i]` from 0 to `max`. Those that the model has not are left out, those that the
  /// file has not are 0.
  void set_columns(const std::vector<std::string>& columns, double max) {
    max_ = max;
    std::vector<std::string> unknown;
    for (const auto& column : columns) {
      if (std::count(columns.begin(), columns.end(), column) > 1) refuse("has ", column, " twice");
      // What py-feat calls eye closure is OpenFace's blink.
      const bool blink = column == "AU43" && std::ranges::find(columns, "AU45") == columns.end();
      const auto it = std::ranges::find(names_, blink ? "AU45" : column);
      if (it == names_.end()) unknown.push_back(column);
      targets_.push_back(it == names_.end() ? -1 : int(it - names_.begin()));
      titles_.push_back(column);
    }
    std::vector<std::string> lacking;
    for (std::size_t i = 0; i < names_.size(); ++i) {
      if (std::ranges::find(targets_, int(i)) == targets_.end()) lacking.push_back(names_[i]);
    }
    if (lacking.size() == names_.size()) {
      refuse("has none of the model's action units; columns such as AU12_r (0 to 5) or AU12 (0 to 1) are needed");
    }
    if (!unknown.empty()) notes_.push_back(concat(joined(unknown), " left out, which the model does not know"));
    if (!lacking.empty()) notes_.push_back(concat("lacks ", joined(lacking), ", taken as 0"));
  }

  /// Values that are NaN are filled in from the rows around. A little outside the range, as regressions and resampling
  /// leave them, is clamped.
  void add(const std::string& where, double time_s, std::span<const double> values) {
    if (time_s < 0) refuse(where, ": the time ", time_s, " is negative");
    if (!times_s_.empty() && time_s == times_s_.back()) {
      refuse(where, ": the time ", time_s,
             " comes a second time; one row a time is needed. Tables of several faces say whose a row is in a column "
             "'face_id'");
    }
    if (!times_s_.empty() && time_s < times_s_.back()) {
      refuse(where, ": the time ", time_s, " does not come after ", times_s_.back(), "; sort the rows by time");
    }
    std::vector<double> row(names_.size(), 0.0);
    for (std::size_t i = 0; i < targets_.size(); ++i) {
      if (targets_[i] < 0) continue;
      if (std::abs(values[i] - max_ / 2) > 0.6 * max_) {  // never so for a NaN
        refuse(where, ": ", titles_[i], " is ", values[i], "; 0 to ", max_, " is needed");
      }
      row[std::size_t(targets_[i])] = values[i] / max_;
    }
    times_s_.push_back(time_s);
    rows_.push_back(std::move(row));
  }

  AuCurve done(std::vector<std::string>* notes) {
    if (rows_.empty()) refuse("has no rows; at least one is needed");
    fill_in();
    AuCurve curve(names_, std::move(times_s_));
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      std::ranges::transform(rows_[i], curve.values.row(int(i)), [](double v) { return std::clamp(float(v), 0.f, 1.f); });
    }
    if (notes) std::ranges::transform(notes_, std::back_inserter(*notes), [&](auto& n) { return file_ + ": " + n; });
    return curve;
  }

 private:
  /// Straight lines over what is missing; the nearest value before the first and after the last.
  void fill_in() {
    std::size_t gaps = 0;
    for (const auto& row : rows_) gaps += std::ranges::any_of(row, [](double v) { return std::isnan(v); });
    if (gaps == 0) return;
    for (std::size_t k = 0; k < names_.size(); ++k) {
      std::optional<std::size_t> before;
      for (std::size_t i = 0; i <= rows_.size(); ++i) {
        if (i < rows_.size() && std::isnan(rows_[i][k])) continue;
        if (i == rows_.size() && !before) refuse("has no value of ", names_[k], " in any row where a face was tracked");
        for (std::size_t j = before ? *before + 1 : 0; j < i; ++j) {
          const std::size_t from = before.value_or(i), to = i < rows_.size() ? i : *before;
          const double span_s = times_s_[to] - times_s_[from];
          const double share = span_s > 0 ? (times_s_[j] - times_s_[from]) / span_s : 0;
          rows_[j][k] = rows_[from][k] + share * (rows_[to][k] - rows_[from][k]);
        }
        if (i < rows_.size()) before = i;
      }
    }
    notes_.push_back(concat(gaps, " of ", rows_.size(), " rows are without a face or a value; filled in from those around"));
  }

  const std::string file_;
  const std::vector<std::string>& names_;
  double max_ = 1;
  std::vector<std::string> titles_;  ///< of the file's columns
  std::vector<int> targets_;         ///< the index of each among names_; -1: none
  std::vector<double> times_s_;
  std::vector<std::vector<double>> rows_;  ///< of names_, 0 to 1; NaN: missing
  std::vector<std::string> notes_;
};

/// The fields of a line, without quotes around them; a comma within quotes parts nothing.
std::vector<std::string_view> fields_of(std::string_view line) {
  std::vector<std::string_view> fields;
  bool quoted = false;
  std::size_t start = 0;
  for (std::size_t i = 0; i <= line.size(); ++i) {
    if (i < line.size() && line[i] == '"') quoted = !quoted;
    if (i < line.size() && (line[i] != ',' || quoted)) continue;
    auto field = trim(line.substr(start, i - start));
    if (field.size() >= 2 && field.front() == '"' && field.back() == '"') field = trim(field.substr(1, field.size() - 2));
    fields.push_back(field);
    start = i + 1;
  }
  return fields;
}

/// How R, pandas and C write that there is no value.
bool is_missing(std::string_view field) {
  return field.empty() || field == "NA" || field == "nan" || field == "NaN" || field == "-nan";
}

/// Which columns of a table hold what.
struct CsvColumns {
  std::size_t count = 0;
  std::optional<std::size_t> time_s, frame, face, success;
  std::vector<std::size_t> au;
  std::vector<std::string> au_names;
  double max = kOpenFaceMax;
};

/// "AU12" of "AU12_r" (OpenFace: 0 to 5), or of itself (py-feat: 0 to 1); empty for other columns.
std::string au_of_column(std::string_view title, bool openface) {
  if (openface != title.ends_with("_r") || !title.starts_with("AU")) return "";
  if (openface) title.remove_suffix(2);
  const bool is_number = title.size() > 2 && parse_number(title.substr(2));
  return is_number || openface ? std::string(title) : "";
}

CsvColumns read_header(std::string_view line, const CurveReader& reader) {
  const auto header = fields_of(line);
  if (header.size() == 1 && line.find_first_of(";\t") != std::string_view::npos) {
    reader.refuse("is separated by other characters; commas between the columns are needed");
  }
  CsvColumns columns{header.size()};
  for (std::size_t i = 0; i < header.size(); ++i) {
    const auto is = [&](std::optional<std::size_t>& place, auto... titles) {
      if (((header[i] != titles) && ...)) return;
      if (place) reader.refuse("has the column '", header[i], "' twice");
      place = i;
    };
    is(columns.time_s, "timestamp");
    is(columns.frame, "frame");
    is(columns.face, "face_id", "face", "Identity");  // OpenFace on videos, on pictures; py-feat
    is(columns.success, "success");
  }
  for (const bool openface : {true, false}) {
    for (std::size_t i = 0; i < header.size(); ++i) {
      const std::string au = au_of_column(header[i], openface);
      if (!au.empty()) columns.au.push_back(i), columns.au_names.push_back(au);
    }
    if (!columns.au.empty()) break;
    columns.max = 1;
  }
  return columns;
}

/// Leaves the rows of one face: the one asked for, or the only one.
class FaceFilter {
 public:
  FaceFilter(const CurveReader& reader, std::string wanted) : reader_(reader), wanted_(std::move(wanted)) {}
  bool takes(std::string_view face) {
    if (std::ranges::find(seen_, face) == seen_.end()) seen_.emplace_back(face);
    return wanted_.empty() || face == wanted_;
  }
  void check() const {
    if (wanted_.empty() && seen_.size() > 1) {
      reader_.refuse("holds the faces ", joined(seen_), "; choose one, for example with `au_face` ", seen_[0]);
    }
    if (!wanted_.empty() && std::ranges::find(seen_, wanted_) == seen_.end()) {
      reader_.refuse("has no face ", wanted_, seen_.empty() ? "; it does not say whose its rows are" : ", only ",
                     joined(seen_));
    }
  }

 private:
  const CurveReader& reader_;
  const std::string wanted_;
  std::vector<std::string> seen_;
};

AuCurve read_json(const std::string& file, std::string_view text, const std::vector<std::string>& names,
                  std::vector<std::string>* notes) {
  CurveReader reader(file, names);
  try {
    const auto json = nlohmann::json::parse(text);
    const auto columns = json.at("au_names").get<std::vector<std::string>>();
    reader.set_columns(columns, 1.0);
    std::size_t n = 0;
    for (const auto& row : json.at("rows")) {
      const std::string where = "row " + std::to_string(++n);
      std::vector<double> values;
      for (const auto& value : row.at("au")) values.push_back(value.is_null() ? kMissing : value.get<double>());
      if (values.size() != columns.size())
        reader.refuse(where, " has ", values.size(), " AUs; ", columns.size(), " are needed");
      reader.add(where, row.at("timestamp").get<double>(), values);
    }
  } catch (const nlohmann::json::exception& e) {
    reader.refuse("cannot be read as AU rows: ", e.what());
  }
  return reader.done(notes);
}

AuCurve read_array(const std::filesystem::path& path, const std::vector<std::string>& names, double fps,
                   std::vector<std::string>* notes) {
  CurveReader reader(path.string(), names);
  const auto array = read_npy(path);
  if (array.shape.size() != 2 || array.shape[1] != std::int64_t(names.size())) {
    reader.refuse("is not of shape (rows, ", names.size(), "); one column an AU is needed");
  }
  reader.set_columns(names, 1.0);
  std::vector<double> values(names.size());
  for (std::int64_t r = 0; r < array.shape[0]; ++r) {
    std::copy_n(array.values.begin() + r * std::int64_t(names.size()), names.size(), values.begin());
    reader.add("row " + std::to_string(r + 1), double(r) / fps, values);
  }
  return reader.done(notes);
}

std::string to_json(const AuCurve& curve) {
  nlohmann::ordered_json json;
  json["au_names"] = curve.names;
  for (std::size_t i = 0; i < curve.rows(); ++i) {
    json["rows"].push_back({{"timestamp", curve.times_s[i]}, {"au", curve.row(i).values()}});
  }
  return json.dump(1) + "\n";
}

}  // namespace

std::string to_csv(const AuCurve& curve, AuRows rows) {
  const bool frames = rows == AuRows::kFrames;
  std::string text = frames ? "frame,timestamp,confidence,success" : "face,confidence";
  for (const auto& name : curve.names) text += "," + name + "_r";
  text += "\n";
  char field[64];
  for (std::size_t i = 0; i < curve.rows(); ++i) {
    const double confidence = curve.confidence.empty() ? 1 : double(curve.confidence[i]);
    if (frames) {
      std::snprintf(field, sizeof field, "%zu,%.3f,%.3g,%d", i + 1, curve.times_s[i], confidence, confidence > 0);
    } else {
      std::snprintf(field, sizeof field, "%zu,%.3g", i, confidence);
    }
    text += field;
    for (const float value : std::span(curve.values.row(int(i)), curve.names.size())) {
      // OpenFace writes two decimals; four keep a curve that is written and read within 1e-5 of itself.
      std::snprintf(field, sizeof field, ",%.4f", value * kOpenFaceMax);
      text += field;
    }
    text += "\n";
  }
  return text;
}

void write_au_file(const std::filesystem::path& path, const AuCurve& curve, AuRows rows) {
  const std::string extension = known_extension("output", path, kAuFileExtensions);
  if (extension == ".npy") {
    const std::int64_t shape[] = {curve.values.rows, curve.values.cols};
    return write_npy(path, shape, curve.values.values);
  }
  OutputFile out(path);
  out.write(extension == ".csv" ? to_csv(curve, rows) : to_json(curve));
  out.commit();
}

AuCurve from_csv(const std::string& file, std::string_view text, const std::vector<std::string>& names,
                 const AuFileOptions& options, std::vector<std::string>* notes) {
  CurveReader reader(file, names);
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  const auto lines = split(text, '\n');
  const CsvColumns columns = read_header(lines[0], reader);
  const auto titles = fields_of(lines[0]);
  reader.set_columns(columns.au_names, columns.max);

  FaceFilter faces(reader, options.face);
  struct Row {
    std::size_t line;
    std::vector<std::string_view> fields;
  };
  std::vector<Row> rows;
  for (std::size_t n = 1; n < lines.size(); ++n) {
    if (lines[n].empty()) continue;
    Row row{n + 1, fields_of(lines[n])};
    if (row.fields.size() == columns.count + 1) row.fields.erase(row.fields.begin());  // R numbers rows without a title
    if (row.fields.size() != columns.count) {
      reader.refuse("line ", row.line, " has ", row.fields.size(), " fields; the header has ", columns.count);
    }
    if (!columns.face || faces.takes(row.fields[*columns.face])) rows.push_back(std::move(row));
  }
  faces.check();

  std::vector<double> values(columns.au.size());
  std::optional<double> first_frame;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    const auto& fields = rows[r].fields;
    const std::string where = concat("line ", rows[r].line);
    const auto read = [&](std::size_t field) {
      const auto value = parse_number(fields[field]);
      if (!value) reader.refuse(where, ": ", titles[field], " is '", fields[field], "'; a number is needed");
      return *value;
    };
    double time_s = double(r) / options.fps;
    if (columns.time_s) {
      time_s = read(*columns.time_s);
    } else if (columns.frame) {
      const double frame = read(*columns.frame);
      if (!first_frame) first_frame = frame;
      time_s = (frame - *first_frame) / options.fps;
    }
    const bool failed = columns.success && parse_number(fields[*columns.success]) == 0.0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = failed || is_missing(fields[columns.au[i]]) ? kMissing : read(columns.au[i]);
    }
    reader.add(where, time_s, values);
  }
  return reader.done(notes);
}

AuCurve read_au_file(const std::filesystem::path& path, const std::vector<std::string>& names, const AuFileOptions& options,
                     std::vector<std::string>* notes) {
  std::string extension = lower_extension(path);
  if (!extension.empty()) known_extension("input", path, kAuFileExtensions);
  const MappedFile file(path, ErrorKind::kInput);
  const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  if (extension.empty()) {
    const bool is_json = text.substr(std::min(text.find_first_not_of(" \t\r\n"), text.size())).starts_with('{');
    extension = text.starts_with("\x93NUMPY") ? ".npy" : is_json ? ".json" : ".csv";
  }
  if (extension == ".npy") return read_array(path, names, options.fps, notes);
  return extension == ".csv" ? from_csv(path.string(), text, names, options, notes)
                             : read_json(path.string(), text, names, notes);
}

}  // namespace emo
