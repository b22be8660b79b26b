#pragma once

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tools/emoengine/inputs.h"
#include "tools/emoengine/options.h"

/// What commands write: names in folders, and what would be lost, checked before any work.
namespace emo::cli {

/// The files that a command reads and those that it is to write.
class Outputs {
 public:
  /// Files that are read: none of them may be written. Empty names are none.
  void keep(const std::string& input);
  void keep(const std::vector<std::string>& inputs);
  void keep(const ModelOptions& models);

  /// A file or folder that will be written; empty: none. Throws Error(kInput) when it is one of those kept, by whatever
  /// name, and Error(kUsage) when it was added before.
  void add(const std::filesystem::path& out);
  /// The same for a file that is written in the end: throws now what would be thrown then, Error(kUsage) for another
  /// extension than these (any when none is given), Error(kInput) for a folder that is not there or not writable.
  void add_file(const std::filesystem::path& out, std::span<const std::string_view> extensions = {});
  void add_picture(const std::filesystem::path& out) { add_file(out, kPictureExtensions); }

 private:
  std::map<std::pair<dev_t, ino_t>, std::string> kept_;
  std::set<std::filesystem::path> added_;
};

/// Whether an -o says by itself that it is a folder: it is there, or ends in a slash.
bool names_folder(const std::filesystem::path& out);

/// Gives outputs in a folder their names and keeps them apart.
class OutputFolder {
 public:
  explicit OutputFolder(std::filesystem::path folder) : folder_(std::move(folder)) {}
  /// FOLDER/NAME. Throws Error(kUsage) when it was given out before, saying for which inputs.
  std::filesystem::path claim(const std::string& name, const std::string& input);
  /// Makes the folder. Throws Error(kInput) when it cannot be made, is a file, or has the extension of what goes into it:
  /// "out.png" was meant for one picture.
  void make() const;

 private:
  std::filesystem::path folder_;
  std::map<std::string, std::string> claimed_;  ///< name and input
};

/// --resume: outputs that are there already are not made again.
void add_resume_option(CLI::App& command, bool& resume);
/// Whether an output is there: a file, or a folder that holds something where `folder` says that it may be one.
bool is_written(const std::filesystem::path& out, bool folder = false);
/// Tells that --resume leaves nothing to do.
void tell_all_written(const std::filesystem::path& out, bool quiet);

}  // namespace emo::cli
