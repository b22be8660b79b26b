#include "tools/emoengine/loader.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>
#include <shared_mutex>

#include "base/error.h"
#include "base/text.h"
#include "tools/emoengine/pipes.h"
#include "tools/emoengine/report.h"

namespace emo::cli {
namespace {

/// While one lives, what is printed on stderr is kept; messages() is not stderr. The process has one stderr, so those that
/// live at the same time keep it together.
class HeldStderr {
 public:
  HeldStderr() {
    const std::lock_guard lock(mutex_);
    if (holders_++ > 0) return;
    stderr_ = ::dup(2), held_ = ::memfd_create("stderr", 0);
    if (stderr_ >= 0 && held_ >= 0) ::dup2(held_, 2);
  }
  ~HeldStderr() {
    const std::lock_guard lock(mutex_);
    if (--holders_ > 0) return;
    if (stderr_ >= 0) ::dup2(stderr_, 2);
    ::close(stderr_);
    ::close(held_);
  }
  HeldStderr(const HeldStderr&) = delete;
  HeldStderr& operator=(const HeldStderr&) = delete;

  /// Bytes that were printed since the first of those that live now.
  off_t size() const { return ::lseek(held_, 0, SEEK_END); }
  std::string first_line() const {
    char text[200];
    const ssize_t size = ::pread(held_, text, sizeof text, 0);
    return {text, std::find(text, text + std::max<ssize_t>(0, size), '\n')};
  }

 private:
  static inline std::mutex mutex_;
  static inline int holders_ = 0, stderr_ = -1, held_ = -1;  // under mutex_ but for held_, which stays while one lives
};

std::shared_mutex loading;

/// Gives an input's bytes as a file to what reads it; errors call it by the input's name.
template <typename Read>
auto read_input(const std::string& input, const Read& read) {
  const std::filesystem::path file = readable(input);
  try {
    return read(file);
  } catch (const Error& e) {
    throw Error(e.kind(), replaced(e.what(), file.string(), input));
  }
}

}  // namespace

template <typename Load>
auto Loader::load(const std::string& path, const Load& load) const {
  media();  // what its loading prints is not about this file
  {
    const std::shared_lock beside_others(loading);
    const HeldStderr held;
    const off_t before = held.size();
    auto loaded = load();
    if (held.size() == before) return loaded;
  }
  // This file's decoder printed something, or one beside it did: alone it is clear which.
  const std::unique_lock alone(loading);
  const HeldStderr held;
  auto loaded = load();
  if (const std::string said = held.first_line(); !said.empty() && !quiet_) {
    note(printable(path) + " is damaged and was used as far as it goes: " + printable(said));
  }
  return loaded;
}

Image Loader::image(const std::string& path, const ImageLimits& limits) const {
  return load(path, [&] { return read_input(path, [&](const auto& file) { return media().load_image(file, limits); }); });
}

Clip Loader::audio(const std::string& path, int sample_rate_hz, const AudioLimits& limits) const {
  Clip clip = load(path, [&] {
    return read_input(path, [&](const auto& file) { return media().load_audio(file, sample_rate_hz, limits); });
  });
  for (const auto& line : clip.notes) {
    if (!quiet_) note(printable(path) + ": " + line);
  }
  return clip;
}

AuCurve Loader::aus(const std::string& path, const std::vector<std::string>& names, const AuFileOptions& options) const {
  std::vector<std::string> said;
  AuCurve curve = read_input(path, [&](const auto& file) { return read_au_file(file, names, options, &said); });
  for (const auto& line : said) {
    if (!quiet_) note(replaced(line, readable(path).string(), path));
  }
  return curve;
}

}  // namespace emo::cli
