#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"

/// Commands that take many files: what is named, what failed, what is there already.
namespace emo::cli {

/// The files that an option named. One plain file is a single input, whose output is named by itself; several files, a
/// folder or a pattern are many, whatever they hold, and -o names a folder.
struct Inputs {
  std::vector<std::string> files;
  bool many = false;
};

enum class InputKind { kPictures, kSounds, kVideos };
/// Folders give their files of this kind (by extension, sorted, no folders within them), patterns such as "a*.png" the files
/// that match. Throws Error(kInput) for a folder or a pattern that gives none.
Inputs find_inputs(const std::vector<std::string>& named, InputKind kind);

/// Gives outputs in a folder their names and keeps them apart.
class OutputFolder {
 public:
  explicit OutputFolder(std::filesystem::path folder) : folder_(std::move(folder)) {}
  /// FOLDER/NAME. Throws Error(kUsage) when it was given out before, saying for which inputs.
  std::filesystem::path claim(const std::string& name, const std::string& input);
  /// Makes the folder. Throws Error(kInput) when it cannot be made.
  void make() const;

 private:
  std::filesystem::path folder_;
  std::map<std::string, std::string> claimed_;  ///< name and input
};

/// Whether something of that name is there; false for a name that cannot be.
bool is_there(const std::filesystem::path& path);
/// Throws Error(kInput) when the output is that input by another name: it would be lost.
void keep_input(const std::filesystem::path& out, const std::string& input);

/// The name without folders and extension: "voice" of "clips/voice.wav".
std::string stem(const std::string& file);
/// ".png", or the extension of the photo where pictures can be written with it.
std::string picture_extension(const std::string& photo);

/// What went wrong with some of many inputs, to be told together at the end.
class Failures {
 public:
  /// Does an input's work; false when it threw Error(kInput), which is kept. Other errors concern all inputs and go on.
  template <typename Work>
  bool attempt(Work&& work) {
    try {
      work();
      return true;
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::kInput) throw;
      texts_.push_back(e.what());
      return false;
    }
  }
  /// Throws Error(kSomeInputs) with a line for each, unless there is none.
  void report() const;

 private:
  std::vector<std::string> texts_;
};

}  // namespace emo::cli
