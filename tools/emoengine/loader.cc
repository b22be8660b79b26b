#include "tools/emoengine/loader.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>

#include "base/error.h"
#include "tools/emoengine/report.h"

namespace emo::cli {
namespace {

std::mutex stderr_mutex;  // the process has one: who reads beside another would get what that one prints

/// Holds back what is printed on stderr and gives its first line to `said` in the end.
class HeldStderr {
 public:
  explicit HeldStderr(std::string& said) : said_(said), stderr_(::dup(2)), held_(::memfd_create("stderr", 0)) {
    if (stderr_ >= 0 && held_ >= 0) ::dup2(held_, 2);
  }
  ~HeldStderr() {
    char text[200];
    const ssize_t size = ::pread(held_, text, sizeof text, 0);
    if (size > 0) said_.assign(text, std::find(text, text + size, '\n'));
    if (stderr_ >= 0) ::dup2(stderr_, 2);
    ::close(stderr_);
    ::close(held_);
  }
  HeldStderr(const HeldStderr&) = delete;
  HeldStderr& operator=(const HeldStderr&) = delete;

 private:
  std::string& said_;
  const int stderr_, held_;
};

}  // namespace

template <typename Load>
auto Loader::load(const std::string& path, const Load& load) const {
  media();  // what its loading prints is not about this file
  std::string said;
  auto loaded = [&] {
    const std::lock_guard alone(stderr_mutex);
    const HeldStderr hold(said);
    return load();
  }();
  if (!said.empty() && !quiet_) {
    note(printable(path) + " is damaged and was used as far as it goes: " + printable(said));
  }
  return loaded;
}

Image Loader::image(const std::string& path, const ImageLimits& limits) const {
  return load(path, [&] { return media().load_image(path, limits); });
}

Clip Loader::audio(const std::string& path, int sample_rate_hz, const AudioLimits& limits) const {
  return load(path, [&] { return media().load_audio(path, sample_rate_hz, limits); });
}

AuCurve Loader::aus(const std::string& path, const std::vector<std::string>& names, const AuFileOptions& options) const {
  std::vector<std::string> said;
  AuCurve curve = read_au_file(path, names, options, &said);
  for (const auto& line : said) {
    if (!quiet_) note(line);
  }
  return curve;
}

}  // namespace emo::cli
