#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "engine/expression/action_units.h"

namespace emo {

/// What AUs are read from and written to.
inline constexpr std::string_view kAuFileExtensions[] = {".csv", ".json", ".npy"};

/// AUs over time: row i belongs to times_s[i].
struct AuCurve {
  std::vector<double> times_s;
  std::vector<ActionUnits> rows;
};

/// Writes by the extension; temporary file, then rename.
///   .csv   as OpenFace does: frame,timestamp,confidence,success,AU01_r ... with intensities 0..5, frames counted from 1
///   .json  {"au_names": [...], "rows": [{"timestamp": s, "au": [0..1, ...]}, ...]}
///   .npy   float32 (rows, AUs), 0..1
/// Throws Error(kUsage) for another extension, Error(kInput) for an output that cannot be written.
void write_au_file(const std::filesystem::path& path, const AuCurve& curve);

/// The text of the .csv form.
std::string to_csv(const AuCurve& curve);

/// Reads what write_au_file writes, and OpenFace's own CSV files (spaces after commas, other columns between). AUs must be
/// exactly those of `names`, in any order; a .npy file has them in this order, its rows one frame apart at `npy_fps`.
/// Throws Error(kInput) naming the file, and the line where there is one: a missing or unknown AU, a value that is no
/// number or outside its range, times that go back, no rows.
AuCurve read_au_file(const std::filesystem::path& path, const std::vector<std::string>& names, double npy_fps = 25);

}  // namespace emo
