#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/limits.h"
#include "engine/image.h"

namespace emo {

struct ImageLimits {
  double max_megapixels = limits::kMaxMegapixels;
  int max_side = limits::kMaxImageSide;
};

struct AudioLimits {
  double max_seconds = limits::kMaxAudioSeconds;
};

/// Mono sound in [-1, 1] (float files may exceed it).
struct Clip {
  std::vector<float> pcm;
  int sample_rate_hz = 0;

  double seconds() const { return sample_rate_hz ? double(pcm.size()) / sample_rate_hz : 0.0; }
};

/// Files and faces: all that needs OpenCV, dlib, libsndfile or soxr, which live in a shared library of their own
/// (libemo_media.so), so that what does not need them starts at once. Thread-safe.
class Media {
 public:
  virtual ~Media() = default;

  /// Reads JPEG, PNG, WebP, TIFF, BMP ...; grey, RGB, RGBA, 16-bit and CMYK; EXIF orientation applied. The header's size
  /// is checked against the limits before anything is decoded. Throws Error(kInput) naming the file.
  virtual Image load_image(const std::filesystem::path& path, const ImageLimits& limits) const = 0;

  /// Writes by the extension: .png .jpg .jpeg .webp .bmp .tif .tiff; temporary file, then rename. Alpha where the format
  /// has it. Throws Error(kInput) for another extension or a failed write.
  virtual void save_image(const std::filesystem::path& path, const Image& image) const = 0;

  /// Boxes of upright frontal faces, largest first (ties: top, then left), found by dlib's HOG detector: as it is, then,
  /// if nothing was found, on the picture enlarged 2 times, 4 times (small faces; never beyond 16 megapixels).
  /// Empty when there is none; `tried`, if given, receives what was tried, for the error message.
  virtual std::vector<Box> find_faces(const Image& image, std::string* tried) const = 0;

  /// Reads WAV, FLAC, Ogg, MP3 and what else libsndfile takes, mixes to mono (mean of the channels) and resamples with
  /// soxr. Throws Error(kInput) naming the file: unreadable, no samples, longer than the limit, NaN or infinity.
  virtual Clip load_audio(const std::filesystem::path& path, int sample_rate_hz, const AudioLimits& limits) const = 0;

  /// "OpenCV 4.6.0, dlib 19.24.0, libsndfile 1.2.0, soxr 0.1.3"
  virtual std::string describe() const = 0;
};

/// Loads libemo_media.so on the first call (some 0.1 s, nearly all of it OpenCV's) and keeps it.
/// Throws Error(kDevice) when the library is not installed, saying what to install.
const Media& media();

}  // namespace emo
