#include "tools/emoengine/outputs.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <optional>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "tools/emoengine/pipes.h"

namespace emo::cli {
namespace {

namespace fs = std::filesystem;

/// What a file is whatever its name: a link, "./" or capitals on a disk that does not tell them apart change nothing.
std::optional<std::pair<dev_t, ino_t>> identity(const fs::path& path) {
  struct stat about {};
  if (::stat(path.c_str(), &about) != 0) return std::nullopt;
  return std::pair(about.st_dev, about.st_ino);
}

}  // namespace

void Outputs::keep(const std::string& input) {
  if (input == kStandardInput && reads_standard_input_++ > 0) {
    fail(ErrorKind::kUsage, input, ": two inputs are to come from it, and it can be read once; name a file for one");
  }
  if (const auto file = identity(input)) kept_.emplace(*file, input);
}

void Outputs::keep(const std::vector<std::string>& inputs) {
  for (const auto& input : inputs) keep(input);
}

void Outputs::keep(const ModelOptions& models) {
  keep(models.generator);
  keep(models.speech);
  if (models.reader != "none") keep(models.reader);
}

void Outputs::add(const fs::path& out) {
  if (out.empty()) return;
  const auto file = identity(out);
  if (const auto kept = file ? kept_.find(*file) : kept_.end(); kept != kept_.end()) {
    fail(ErrorKind::kInput, "output: ", out.string(), " is the input ", kept->second, "; name another file or folder");
  }
  if (!added_.insert(fs::absolute(out).lexically_normal()).second) {
    fail(ErrorKind::kUsage, "output: ", out.string(), " would be written twice; name another file");
  }
}

void Outputs::add_file(const fs::path& out, std::span<const std::string_view> extensions) {
  if (out.empty()) return;
  add(out);
  OutputFile could_be_made(out);
  if (!extensions.empty()) known_extension("output", out, extensions);
}

bool names_folder(const fs::path& out) {
  std::error_code ignored;
  return !out.empty() && (!out.has_filename() || fs::is_directory(out, ignored));
}

bool ManyOutputs::begin(bool quiet) const {
  count_ > 0 ? make_folder() : tell_all_written(folder_, quiet);
  return count_ > 0;
}

void ManyOutputs::make_folder() const {
  std::error_code error;
  const std::string extension = lower_extension(folder_);
  const auto named_alike = [&](const auto& claim) {
    return !extension.empty() && lower_extension(claim.first) == extension;
  };
  const bool meant_for_one = fs::exists(folder_, error) || std::ranges::any_of(claimed_, named_alike);
  if (!fs::is_directory(folder_, error) && meant_for_one) {
    std::set<std::string> inputs;  // a video claims its .part as well
    for (const auto& [name, input] : claimed_) inputs.insert(input);
    fail(ErrorKind::kInput, "output: ", folder_.string(), " names a file, and ", inputs.size(),
         inputs.size() == 1 ? " output goes" : " outputs go", " into a folder; name one");
  }
  fs::create_directories(folder_, error);
  if (error) fail(ErrorKind::kInput, "output: ", folder_.string(), " cannot be made a folder: ", error.message());
}

fs::path ManyOutputs::add(const std::string& name, const std::string& input, bool is_folder) {
  fs::path out = claim(name, input);
  if (resume_ && is_written(out, is_folder)) return {};
  outputs_.add(out);
  ++count_;
  return out;
}

void ManyOutputs::reserve(const std::string& name, const std::string& input) { outputs_.add(claim(name, input)); }

fs::path ManyOutputs::claim(const std::string& name, const std::string& input) {
  const auto [claim, is_new] = claimed_.try_emplace(name, input);
  if (!is_new) {
    fail(ErrorKind::kUsage, "output: ", name, " would be written for ", claim->second, " and for ", input,
         "; rename one, or write them into different folders");
  }
  return folder_ / name;
}

void add_resume_option(CLI::App& command, bool& resume) {
  command.add_flag("--resume", resume, "skip outputs that exist, for example from a run that was stopped");
}

bool is_written(const fs::path& out, bool folder) {
  std::error_code ignored;
  return fs::is_regular_file(out, ignored) || (folder && fs::is_directory(out, ignored) && !fs::is_empty(out, ignored));
}

void tell_all_written(const fs::path& out, bool quiet) {
  if (!quiet) std::printf("%s: written already, nothing is left to do\n", out.c_str());
}

}  // namespace emo::cli
