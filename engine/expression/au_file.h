#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "engine/expression/au_curve.h"

namespace emo {

/// What AUs are read from and written to.
inline constexpr std::string_view kAuFileExtensions[] = {".csv", ".json", ".npy"};

/// What the rows of a table are: frames of a video, or the faces of a picture (face,confidence,AU01_r ... , faces counted
/// from 0), for which a .csv has other columns.
enum class AuRows { kFrames, kFaces };

/// Writes by the extension; temporary file, then rename.
///   .csv   as OpenFace does: frame,timestamp,confidence,success,AU01_r ... with intensities 0..5, frames counted from 1
///   .json  {"au_names": [...], "rows": [{"timestamp": s, "au": [0..1, ...]}, ...]}
///   .npy   float32 (rows, AUs), 0..1
/// Throws Error(kUsage) for another extension, Error(kInput) for an output that cannot be written.
void write_au_file(const std::filesystem::path& path, const AuCurve& curve, AuRows rows = AuRows::kFrames);

/// The text of the .csv form. A row with confidence 0 has success 0.
std::string to_csv(const AuCurve& curve, AuRows rows = AuRows::kFrames);

struct AuFileOptions {
  double fps = 25;   ///< of the rows of a file that has no times
  std::string face;  ///< whose rows of a table of several faces, as its column says; empty: it must have just one
};

/// Reads what write_au_file writes, and the tables of other programs:
///   OpenFace  AU01_r ... from 0 to 5; of videos (timestamp), of several faces (face_id), of pictures (face, no timestamp)
///   py-feat   AU01 ... from 0 to 1, AU43 as AU45; rows are times by their column frame
/// Columns in any order, quoted or not, others between. Without timestamp and frame, rows are one frame apart. AUs that the
/// file lacks are 0, those not in `names` are left out; a .npy file has exactly these. Values up to a tenth of the range
/// outside it are clamped. Missing ones (nan, NA, null, empty, rows with success 0) are filled in along straight lines.
/// `notes`, if given, receives what was done so, a sentence each, with the file's name in front.
/// A file whose name has no extension is told by its content.
/// Throws Error(kInput) naming the file, and the line where there is one: none of the AUs, a value that is no number or
/// far outside its range, times that go back, several faces or not the one asked for, no rows.
AuCurve read_au_file(const std::filesystem::path& path, const std::vector<std::string>& names,
                     const AuFileOptions& options = {}, std::vector<std::string>* notes = nullptr);

/// The same of a table's text; `name` is what errors call it.
AuCurve from_csv(const std::string& name, std::string_view text, const std::vector<std::string>& names,
                 const AuFileOptions& options = {}, std::vector<std::string>* notes = nullptr);

}  // namespace emo
