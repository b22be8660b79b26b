#include "tools/emoengine/inputs.h"

#include <glob.h>

#include <algorithm>
#include <span>
#include <string_view>

#include "base/text.h"
#include "tools/emoengine/common.h"

namespace emo::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPictures[] = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"};
constexpr std::string_view kSounds[] = {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf"};

constexpr std::string_view kVideos[] = {".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi",
                                        ".ts",  ".mpg", ".flv", ".ogv",  ".gif"};

std::span<const std::string_view> extensions(InputKind kind) {
  switch (kind) {
    case InputKind::kPictures: return kPictures;
    case InputKind::kSounds: return kSounds;
    case InputKind::kVideos: return kVideos;
  }
  return {};
}

const char* name_of(InputKind kind) {
  switch (kind) {
    case InputKind::kPictures: return "pictures";
    case InputKind::kSounds: return "sounds";
    case InputKind::kVideos: return "videos";
  }
  return "?";
}

bool is_kind(const fs::path& path, InputKind kind) {
  return std::ranges::count(extensions(kind), lower_extension(path)) > 0;
}

std::vector<std::string> files_of_folder(const std::string& folder, InputKind kind) {
  std::vector<std::string> files;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::error_code ignored;
    if (it->is_regular_file(ignored) && is_kind(it->path(), kind)) files.push_back(it->path().string());
  }
  if (error) fail(ErrorKind::kInput, folder, ": cannot be read: ", error.message());
  if (files.empty()) {
    std::string wanted;
    for (const auto extension : extensions(kind)) {
      wanted += (wanted.empty() ? "" : ", ") + std::string(extension);
    }
    fail(ErrorKind::kInput, folder, ": this folder holds no ", name_of(kind), " (", wanted, ")");
  }
  std::ranges::sort(files);
  return files;
}

std::vector<std::string> files_of_pattern(const std::string& pattern) {
  glob_t found{};
  const int status = ::glob(pattern.c_str(), 0, nullptr, &found);  // sorted
  std::vector<std::string> files(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  ::globfree(&found);
  if (status != 0) fail(ErrorKind::kInput, pattern, ": no file matches this pattern");
  return files;
}

}  // namespace

Inputs find_inputs(const std::vector<std::string>& named, InputKind kind) {
  Inputs inputs{.many = named.size() > 1};
  for (const auto& name : named) {
    std::error_code ignored;
    std::vector<std::string> files{name};
    if (fs::is_directory(name, ignored)) {
      files = files_of_folder(name, kind);
    } else if (!fs::exists(name, ignored) && name.find_first_of("*?[") != std::string::npos) {
      files = files_of_pattern(name);
    }
    inputs.many |= files[0] != name;
    inputs.files.insert(inputs.files.end(), files.begin(), files.end());
  }
  return inputs;
}

void OutputFolder::make() const {
  std::error_code error;
  fs::create_directories(folder_, error);
  if (error) fail(ErrorKind::kInput, "output: ", folder_.string(), " cannot be made a folder: ", error.message());
}

fs::path OutputFolder::claim(const std::string& name, const std::string& input) {
  const auto [claim, is_new] = claimed_.try_emplace(name, input);
  if (!is_new) {
    fail(ErrorKind::kUsage, "output: ", name, " would be written for ", claim->second, " and for ", input,
         "; rename one, or write them into different folders");
  }
  return folder_ / name;
}

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

void keep_input(const fs::path& out, const std::string& input) {
  std::error_code ignored;
  if (fs::equivalent(out, input, ignored)) {
    fail(ErrorKind::kInput, "output: ", out.string(), " is the input ", input, "; name another file or folder");
  }
}

std::string stem(const std::string& file) { return fs::path(file).stem().string(); }

std::string picture_extension(const std::string& photo) {
  return is_kind(photo, InputKind::kPictures) ? fs::path(photo).extension().string() : ".png";
}

void Failures::report() const {
  if (texts_.empty()) return;
  std::string text = concat(texts_.size(), texts_.size() == 1 ? " input or output" : " inputs or outputs", " failed:");
  for (const auto& one : texts_) text += "\n  " + one_line(one);
  throw Error(ErrorKind::kSomeInputs, text);
}

}  // namespace emo::cli
