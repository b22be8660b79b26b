#include "tools/emoengine/inputs.h"

#include <glob.h>

#include <algorithm>
#include <span>
#include <string_view>

#include "base/text.h"
#include "engine/media/media.h"
#include "tools/emoengine/report.h"

namespace emo::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPhotoExtensions[] = {".png",  ".jpg",  ".jpeg", ".jpe", ".jfif", ".webp", ".heic",
                                                 ".heif", ".avif", ".jxl",  ".bmp", ".tif",  ".tiff"};
constexpr std::string_view kSoundExtensions[] = {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3",  ".aif", ".aiff", ".au",
                                                 ".caf", ".m4a",  ".m4b", ".3gp", ".aac",  ".ac3",  ".amr", ".spx",  ".w64",
                                                 ".wma", ".mka",  ".mp4", ".m4v", ".mov",  ".webm", ".mkv"};
constexpr std::string_view kVideoExtensions[] = {".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi",
                                                 ".ts",  ".mpg", ".flv", ".ogv",  ".gif", ".3gp"};

std::span<const std::string_view> extensions(InputKind kind) {
  switch (kind) {
    case InputKind::kPictures: return kPhotoExtensions;
    case InputKind::kSounds: return kSoundExtensions;
    case InputKind::kVideos: return kVideoExtensions;
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
  const auto known = extensions(kind);
  return std::ranges::find(known, lower_extension(path)) != known.end();
}

/// Tells which files of a folder are not worked on, so that no photo is missed in silence. Hidden ones are nobody's photos.
void note_left_out(const std::string& folder, std::vector<std::string> names, InputKind kind) {
  constexpr std::size_t kNamed = 5;
  std::erase_if(names, [](const std::string& name) { return name.starts_with('.'); });
  if (names.empty()) return;
  std::ranges::sort(names);
  std::string text = concat(folder, ": ", names.size(), names.size() == 1 ? " file has" : " files have", " no ending of ",
                            name_of(kind), " and ", names.size() == 1 ? "was" : "were", " left out: ", names[0]);
  for (std::size_t i = 1; i < std::min(names.size(), kNamed); ++i) text += ", " + names[i];
  if (names.size() > kNamed) text += concat(" and ", names.size() - kNamed, " more");
  note(one_line(text));
}

std::vector<std::string> files_of_folder(const std::string& folder, InputKind kind) {
  std::vector<std::string> files, others;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::error_code ignored;
    if (!it->is_regular_file(ignored)) continue;
    if (is_kind(it->path(), kind)) {
      files.push_back(it->path().string());
    } else {
      others.push_back(it->path().filename().string());
    }
  }
  if (error) fail(ErrorKind::kInput, folder, ": cannot be read: ", error.message());
  if (files.empty()) {
    std::string wanted;
    for (const auto extension : extensions(kind)) {
      wanted += (wanted.empty() ? "" : ", ") + std::string(extension);
    }
    fail(ErrorKind::kInput, folder, ": this folder holds no ", name_of(kind), " (", wanted, ")");
  }
  note_left_out(folder, std::move(others), kind);
  std::ranges::sort(files);
  return files;
}

std::vector<std::string> files_of_pattern(const std::string& pattern) {
  glob_t found{};
  const int status = ::glob(pattern.c_str(), 0, nullptr, &found);  // sorted
  std::vector<std::string> files(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  ::globfree(&found);
  std::error_code ignored;
  std::erase_if(files, [&](const std::string& file) { return fs::is_directory(file, ignored); });
  if (status != 0 || files.empty()) fail(ErrorKind::kInput, pattern, ": no file matches this pattern");
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

std::string stem(const std::string& file) { return fs::path(file).stem().string(); }

std::string picture_extension(const std::string& photo) {
  const bool can_be_written = std::ranges::find(kPictureExtensions, lower_extension(photo)) != std::end(kPictureExtensions);
  return can_be_written ? fs::path(photo).extension().string() : ".png";
}

std::string Failures::text() const {
  if (texts_.empty()) return "";
  std::string text = concat(texts_.size(), texts_.size() == 1 ? " input or output" : " inputs or outputs", " failed:");
  for (const auto& one : texts_) text += "\n  " + one_line(one);
  return text;
}

void Failures::report() const {
  if (!texts_.empty()) throw Error(ErrorKind::kSomeInputs, text());
}

}  // namespace emo::cli
