#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "engine/backend/image.h"

namespace emo {

/// What pictures are written as; they are read by their content.
inline constexpr std::string_view kPictureExtensions[] = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"};

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
  std::vector<std::string> notes = {};  ///< what was odd about the file and got over, without its name

  double seconds() const { return sample_rate_hz ? double(pcm.size()) / sample_rate_hz : 0.0; }
};

struct AudioFormat {
  int sample_rate_hz = 0, channels = 0;
  double start_s = 0;  ///< time of its first sample
  double seconds = 0;  ///< as the file says; 0: it does not
  double least_s = 0;  ///< with less than this it was cut; 0: what is there is the sound
};

/// A sound that is being decoded. Used by one thread.
class AudioSource {
 public:
  virtual ~AudioSource() = default;
  virtual const AudioFormat& format() const = 0;
  /// The next frames, their channels interleaved, till the next call; empty at the end.
  /// Throws Error(kInput) naming the file when it is damaged.
  virtual std::span<const float> read() = 0;
  /// Begins anew; false when it cannot.
  virtual bool restart() = 0;
};

/// Brings a mono stream to another rate, piece by piece; nothing moves in time. Used by one thread.
class Resampler {
 public:
  virtual ~Resampler() = default;
  /// Appends to `out` what is known after these samples; some milliseconds are held back.
  virtual void push(std::span<const float> in, std::vector<float>& out) = 0;
  /// Appends the rest. Nothing may be pushed afterwards.
  virtual void finish(std::vector<float>& out) = 0;
};

/// Opens what libsndfile does not decode; null when it holds no sound that can be decoded.
using OpenAudio = std::function<std::unique_ptr<AudioSource>(const std::filesystem::path&)>;

/// Video::sound(), from the start of the sound, or counted from the first picture.
/// Both throw Error(kDevice) when the library for videos is not installed.
std::unique_ptr<AudioSource> open_audio(const std::filesystem::path& path);
std::unique_ptr<AudioSource> open_video_sound(const std::filesystem::path& path);

/// Pictures in labelled rows, to be drawn as one.
struct PictureTable {
  struct Cell {
    Image picture;                     ///< shown within a square, its proportions kept; empty: a gap
    std::vector<std::string> caption;  ///< lines below it; one that is too long ends in dots
  };
  struct Row {
    std::string heading;  ///< left of it
    std::vector<Cell> cells;
  };
  std::vector<std::string> columns;  ///< headings; may be empty
  std::vector<Row> rows;
  int cell_px = 160;
  std::filesystem::path font = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf";
};

/// The side of the part of a picture in which a known face is looked for again, in sides of the face: dlib wants room round
/// it.
inline constexpr double kFaceRegion = 2.2;

/// How faces are looked for.
struct FaceSearch {
  /// The most looks, until one finds something: at the picture's own size, or at side_px a side if it is larger (0.1 s a
  /// megapixel), then at twice that, then at four times.
  int looks = 3;
  /// Look at each face four times more, 30 ms: what most of these looks do not see is none, and the mean of the boxes knows
  /// the side to 3 % of it and the place to 2 %, one look to 6 % and 3 % (standard deviations, 160 portraits of many sizes).
  bool refine = true;
  int first = 0;       ///< looks that are left out
  int side_px = 1280;  ///< the most of the first look
  /// The least face of the first look, px, in place of side_px; 0: none. The picture is enlarged for faces under 80 px, to
  /// at most 50 megapixels.
  double min_px = 0;
  float roll = 0;  ///< of the faces that are found, radians: the picture is turned so that they stand upright
};

/// What reads and writes pictures' pixels where the plug-in was built without a codec of its own. Called from any thread.
struct PictureCodec {
  /// Decodes a JPEG, PNG, WebP, TIFF or BMP: gives `take` its pixels as stored, once. False when they cannot be decoded.
  std::function<bool(std::span<const std::byte> file, const std::function<void(const ImageView&)>& take)> decode;
  /// Gives `take` the file of a format, "png" or another of kPictureExtensions. False when the picture does not go into it.
  std::function<bool(const ImageView&, const std::string& format,
                     const std::function<void(std::span<const std::byte>)>& take)>
      encode;
};

/// Files and faces: all that needs OpenCV, dlib, libsndfile or soxr, which live in a shared library of their own
/// (libemo_media.so), so that what does not need them starts at once. Thread-safe.
class Media {
 public:
  virtual ~Media() = default;

  /// Reads JPEG, PNG, WebP, HEIC, AVIF, JPEG XL, TIFF and BMP by their content, not their name: grey, RGB, RGBA, palette,
  /// 10 to 16 bits and CMYK; upright, the colours of an ICC profile or of H.273's codes brought to sRGB. The header's size
  /// is checked against the limits before anything is decoded.
  /// Throws Error(kInput) naming the file: missing, of another kind, cut or damaged, too large, an animation, HDR.
  /// Throws Error(kDevice) for HEIC, AVIF and JPEG XL where their plug-in is missing.
  virtual Image load_image(const std::filesystem::path& path, const ImageLimits& limits) const = 0;

  /// Writes by the extension, one of kPictureExtensions (JPEG and WebP at quality 95); temporary file, then
  /// rename. Alpha in PNG, WebP and TIFF, else on white. Throws Error(kUsage) for another extension, Error(kInput) for a
  /// failed write.
  virtual void save_image(const std::filesystem::path& path, const Image& image) const = 0;

  /// The bytes of the file that save_image() would write. Throws as it does; errors name it so.
  virtual std::vector<std::uint8_t> encode_image(const std::filesystem::path& name, const Image& image) const = 0;

  /// Draws the table dark on white. Throws Error(kInput) naming the font when it is missing or is none.
  virtual Image draw_table(const PictureTable& table) const = 0;

  /// Boxes of upright frontal faces, largest first (ties: top, then left), found by dlib's HOG detector, whose smallest face
  /// is 80 pixels. Empty when there is none; `tried`, if given, receives what was tried, for the error message:
  /// "at 1x (faces from 80 px), 2x (from 40 px), 4x (from 20 px)".
  virtual std::vector<Box> find_faces(const Image& image, std::string* tried, const FaceSearch& search = {}) const = 0;

  /// Reads WAV, AIFF, AU, CAF, FLAC, Ogg (Vorbis, Opus) and MP3 by their content, not their name, mixes to mono (mean of
  /// the channels; the strongest alone where they cancel in it) and resamples with soxr (HQ). `open` decodes other codecs
  /// in CAF and Ogg, M4A, 3GP, WebM, WMA, AC-3, AAC, AMR, W64 and videos, whose first sound is taken. Throws
  /// Error(kInput) naming the file: missing, of another kind, no samples, longer than the limit, NaN or infinity. A WAV,
  /// AIFF, AU, FLAC or M4A with less sound than its header says was cut and is refused (a length that was never filled in,
  /// or some bytes too large, is no promise); MP3 and Ogg, which are streams, give what is there, MP3s that were joined
  /// all of it. Throws Error(kDevice) when the library that `open` needs is not installed.
  virtual Clip load_audio(const std::filesystem::path& path, int sample_rate_hz, const AudioLimits& limits,
                          const OpenAudio& open = open_audio) const = 0;

  /// The sound of a video, from the time of the first picture on; empty when it has none. Mixes, resamples and throws as
  /// load_audio() does.
  virtual Clip load_video_sound(const std::filesystem::path& path, int sample_rate_hz, const AudioLimits& limits,
                                const OpenAudio& open = open_video_sound) const = 0;

  /// Brings the codec that load_image(), save_image() and encode_image() use from then on. Throws Error(kDevice) where the
  /// plug-in has its own.
  virtual void set_codec(const PictureCodec& codec) const = 0;

  /// By soxr (HQ); equal rates pass through. Throws Error(kUsage) for a rate outside limits::kMinSampleRateHz ...
  /// kMaxSampleRateHz.
  virtual std::unique_ptr<Resampler> resampler(int from_hz, int to_hz) const = 0;

  /// "OpenCV 4.6.0, dlib 19.24.0, libsndfile 1.2.0, soxr 0.1.3"
  virtual std::string describe() const = 0;
};

/// Loads libemo_media.so on the first call (some 0.1 s, nearly all of it OpenCV's) and keeps it.
/// Throws Error(kDevice) when the library is not installed, saying what to install.
const Media& media();

}  // namespace emo
