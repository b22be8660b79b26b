#pragma once

#include <string>

#include "engine/media/media.h"

namespace emo::cli {

/// Reads a command's picture and sound as media() does. Some decoders (libjpeg, mpg123) print on stderr about damage that
/// they get over: that is kept back and becomes a note(), unless `quiet`; an error stays one line.
class Loader {
 public:
  explicit Loader(bool quiet) : quiet_(quiet) {}

  Image image(const std::string& path, const ImageLimits& limits) const;
  Clip audio(const std::string& path, int sample_rate_hz, const AudioLimits& limits) const;

 private:
  template <typename Load>
  auto load(const std::string& path, const Load& load) const;

  bool quiet_;
};

}  // namespace emo::cli
