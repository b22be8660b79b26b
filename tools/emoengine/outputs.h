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
  /// Files that are read: none of them may be written. Empty names are none. Throws Error(kUsage) when standard input comes
  /// twice.
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
  int reads_standard_input_ = 0;
};

/// Whether an -o says by itself that it is a folder: it is there, or ends in a slash.
bool names_folder(const std::filesystem::path& out);

/// The outputs of a command with many inputs: their names in a folder, kept apart, and which of them are still to be made.
class ManyOutputs {
 public:
  /// `resume`: what is written already is left out. The outputs that are to be made are added to `outputs`.
  ManyOutputs(std::filesystem::path folder, bool resume, Outputs& outputs)
      : folder_(std::move(folder)), resume_(resume), outputs_(outputs) {}

  /// FOLDER/NAME, made for `input`; empty when it is written already. Throws Error(kUsage) when the name was given out
  /// before, saying for which inputs. `is_folder`: the output may itself be a folder.
  std::filesystem::path add(const std::string& name, const std::string& input, bool is_folder = false);
  /// Keeps another name in the folder from being given out, and from being an input.
  void reserve(const std::string& name, const std::string& input);
  /// How many are to be made.
  std::size_t count() const { return count_; }
  /// Makes the folder. Throws Error(kInput) when it cannot be made, is a file, or has the extension of what goes into it:
  /// "out.png" was meant for one picture.
  void make_folder() const;
  /// The same if there is something to be made; else tells, unless `quiet`, that nothing is left to do, and gives false.
  bool begin(bool quiet) const;

 private:
  std::filesystem::path claim(const std::string& name, const std::string& input);

  const std::filesystem::path folder_;
  const bool resume_;
  Outputs& outputs_;
  std::map<std::string, std::string> claimed_;  ///< name and input
  std::size_t count_ = 0;
};

/// --resume: outputs that are there already are not made again.
void add_resume_option(CLI::App& command, bool& resume);
/// Whether an output is there: a file, or a folder that holds something where `folder` says that it may be one.
bool is_written(const std::filesystem::path& out, bool folder = false);
/// Tells that --resume leaves nothing to do.
void tell_all_written(const std::filesystem::path& out, bool quiet);

}  // namespace emo::cli
