#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"

/// Commands that take many files: what is named, what failed.
namespace emo::cli {

/// The files that an option named. One plain file is a single input, whose output is named by itself; several files, a
/// folder or a pattern are many, whatever they hold, and -o names a folder.
struct Inputs {
  std::vector<std::string> files;  ///< at least one, unless nothing was named
  bool many = false;
};

enum class InputKind { kPictures, kSounds, kVideos };
/// Folders give their files of this kind (by extension, sorted, no folders within them), patterns such as "a*.png" the files
/// that match. A note names the files of a folder that were left out. Throws Error(kInput) for a folder or a pattern that
/// gives none.
Inputs find_inputs(const std::vector<std::string>& named, InputKind kind);

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
  void add(std::string what) { texts_.push_back(std::move(what)); }
  void add(const Failures& others) { texts_.insert(texts_.end(), others.texts_.begin(), others.texts_.end()); }
  /// Throws Error(kSomeInputs) with text(), unless that is empty.
  void report() const;
  /// "2 inputs or outputs failed:" and a line for each; empty: none.
  std::string text() const;

 private:
  std::vector<std::string> texts_;
};

}  // namespace emo::cli
