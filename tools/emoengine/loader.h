#pragma once

#include <string>
#include <vector>

#include "engine/expression/au_file.h"
#include "engine/media/media.h"

namespace emo::cli {

/// Reads a command's pictures, sounds and tables of AUs. What a reader says about one becomes a note(), unless `quiet`. Some
/// decoders (libjpeg, mpg123) print on stderr about damage that they get over: that is kept back and becomes a note too; an
/// error stays one line. From several threads at once.
class Loader {
 public:
  explicit Loader(bool quiet) : quiet_(quiet) {}

  Image image(const std::string& path, const ImageLimits& limits) const;
  Clip audio(const std::string& path, int sample_rate_hz, const AudioLimits& limits) const;
  AuCurve aus(const std::string& path, const std::vector<std::string>& names, const AuFileOptions& options) const;

 private:
  template <typename Load>
  auto load(const std::string& path, const Load& load) const;

  bool quiet_;
};

}  // namespace emo::cli
