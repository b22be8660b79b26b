#include "engine/media/audio/audio_file.h"

#include <sndfile.h>
#include <soxr.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "engine/media/audio/check_sample.h"
#include "engine/media/file_kind.h"
#include "engine/media/header_reader.h"

namespace emo {
namespace {

constexpr std::size_t kReleaseBytes = 1 << 20;
constexpr std::size_t kBlockFrames = 4096;  // with 64 channels 1 MiB at a time, whatever the file's length

/// A mapped file for libsndfile, which reads it by these calls instead of by its name: the name's extension then means
/// nothing, and no other file is looked for beside it.
struct MappedStream {
  std::span<const std::byte> bytes;
  sf_count_t at = 0;

  static SF_VIRTUAL_IO calls() {
    SF_VIRTUAL_IO io{};
    io.get_filelen = [](void* self) { return sf_count_t(stream(self).bytes.size()); };
    io.seek = [](sf_count_t offset, int whence, void* self) {
      MappedStream& s = stream(self);
      const auto size = sf_count_t(s.bytes.size());
      const sf_count_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? s.at : size;
      return s.at = std::clamp<sf_count_t>(offset, -base, size - base) + base;
    };
    io.read = [](void* to, sf_count_t count, void* self) {
      MappedStream& s = stream(self);
      count = std::clamp<sf_count_t>(count, 0, sf_count_t(s.bytes.size()) - s.at);
      std::memcpy(to, s.bytes.data() + s.at, std::size_t(count));
      s.at += count;
      return count;
    };
    io.write = [](const void*, sf_count_t, void*) { return sf_count_t(0); };
    io.tell = [](void* self) { return stream(self).at; };
    return io;
  }
  static MappedStream& stream(void* self) { return *static_cast<MappedStream*>(self); }
};

/// Resamples a mono stream with soxr's HQ setting (linear phase: nothing moves in time), or passes it on at equal rates.
class Resampler {
 public:
  Resampler(int from_hz, int to_hz) : step_(double(to_hz) / from_hz) {
    if (from_hz == to_hz) return;
    const soxr_quality_spec_t quality = soxr_quality_spec(SOXR_HQ, 0);
    soxr_error_t error = nullptr;
    soxr_.reset(soxr_create(from_hz, to_hz, 1, &error, nullptr, &quality, nullptr));
    EMO_CHECK(soxr_, "soxr: from ", from_hz, " to ", to_hz, " Hz: ", error);
  }
  /// Appends to `out` what comes of these samples.
  void push(std::span<const float> in, std::vector<float>& out) {
    if (!soxr_)
      out.insert(out.end(), in.begin(), in.end());
    else
      process(in.data(), in.size(), std::size_t(double(in.size()) * step_) + 1, out);
  }
  /// Appends the rest, which soxr holds back until it knows that nothing follows.
  void finish(std::vector<float>& out) {
    while (soxr_ && process(nullptr, 0, kBlockFrames, out) > 0) {
    }
  }

 private:
  std::size_t process(const float* in, std::size_t count, std::size_t room, std::vector<float>& out) {
    const std::size_t before = out.size();
    std::size_t used = 0, made = 0;
    do {
      const std::size_t size = out.size();
      out.resize(size + room);
      std::size_t now_used = 0, now_made = 0;
      const soxr_error_t error =
          soxr_process(soxr_.get(), in ? in + used : nullptr, count - used, &now_used, out.data() + size, room, &now_made);
      EMO_CHECK(!error, "soxr: ", error);
      out.resize(size + now_made);
      used += now_used;
      made = now_made;
    } while (used < count || made == room);
    return out.size() - before;
  }

  struct Delete {
    void operator()(soxr_t s) const { soxr_delete(s); }
  };
  std::unique_ptr<soxr, Delete> soxr_;
  double step_;
};

/// libsndfile reads what is there of a WAV, AIFF or AU that was cut and says nothing.
void refuse_cut_sound(const HeaderReader& in) {
  const auto check = [&](std::uint64_t at, std::uint64_t length) {
    // Programs that write into a pipe cannot go back to fill in the length and leave such numbers.
    const bool unknown = length >= 0x7FFF'F000;
    if (!unknown) in.bytes(at, length);
  };
  if (in.has(0, ".snd")) return check(in.big(4, 4), in.big(8, 4));
  const bool aiff = in.has(0, "FORM");
  for (std::uint64_t at = 12; at + 8 <= in.size();) {
    const std::uint64_t length = in.number(at + 4, 4, aiff);
    if (in.has(at, aiff ? "SSND" : "data")) return check(at + 8, length);
    at += 8 + length + length % 2;
  }
}

/// ADPCM, GSM, DPCM and other speech codecs of the nineties are left out: nobody sends them, and their decoders had the
/// security holes.
bool takes(int format) {
  switch (format & SF_FORMAT_SUBMASK) {
    case SF_FORMAT_PCM_S8:
    case SF_FORMAT_PCM_U8:
    case SF_FORMAT_PCM_16:
    case SF_FORMAT_PCM_24:
    case SF_FORMAT_PCM_32:
    case SF_FORMAT_FLOAT:
    case SF_FORMAT_DOUBLE:
    case SF_FORMAT_ULAW:
    case SF_FORMAT_ALAW:
    case SF_FORMAT_VORBIS:
    case SF_FORMAT_OPUS:
    case SF_FORMAT_MPEG_LAYER_I:
    case SF_FORMAT_MPEG_LAYER_II:
    case SF_FORMAT_MPEG_LAYER_III: return true;
    default: return false;
  }
}

const char* codec_name(int format) {
  SF_FORMAT_INFO info{};
  info.format = format & SF_FORMAT_SUBMASK;
  return sf_command(nullptr, SFC_GET_FORMAT_INFO, &info, sizeof(info)) == 0 ? info.name : "unknown";
}

/// fail() with the file's name in front.
struct Refuse {
  const std::string name;

  template <typename... Why>
  [[noreturn]] void operator()(const Why&... why) const {
    fail(ErrorKind::kInput, name, ": ", why...);
  }
};

FileType checked_type(std::span<const std::byte> bytes, const Refuse& refuse) {
  const FileType type = file_type(bytes);
  switch (type.kind) {
    case FileKind::kWav:
    case FileKind::kAiff:
    case FileKind::kAu: refuse_cut_sound(HeaderReader(bytes, refuse.name, type.noun())); return type;
    case FileKind::kCaf:
    case FileKind::kFlac:
    case FileKind::kOgg:
    case FileKind::kMp3: return type;
    default:
      refuse("is ", type.name,
             "; WAV, AIFF, AU, CAF, FLAC, Ogg and MP3 sounds can be read. Convert it to WAV or FLAC first");
  }
}

void check_seconds(const char* how, double seconds, const AudioLimits& limits, const Refuse& refuse) {
  if (seconds <= limits.max_seconds) return;
  refuse("lasts ", how, std::round(seconds * 10) / 10, " s; at most ", limits.max_seconds,
         " s are taken. Cut it, or raise `max_seconds`");
}

void check_format(const SF_INFO& info, const Refuse& refuse) {
  if (!takes(info.format)) {
    refuse("is coded as ", codec_name(info.format),
           "; PCM, float, u-law, A-law, FLAC, Vorbis, Opus and MP3 are taken. Convert it to WAV or FLAC first");
  }
  if (info.samplerate < limits::kMinSampleRateHz || info.samplerate > limits::kMaxSampleRateHz) {
    refuse("has a rate of ", info.samplerate, " Hz; ", limits::kMinSampleRateHz, " to ", limits::kMaxSampleRateHz,
           " are taken. Resample it first");
  }
  if (info.channels < 1 || info.channels > limits::kMaxAudioChannels) {
    refuse("has ", info.channels, " channels; 1 to ", limits::kMaxAudioChannels, " are taken. Mix it down first");
  }
}

}  // namespace

Clip load_audio(const std::filesystem::path& path, int sample_rate_hz, const AudioLimits& limits) {
  EMO_CHECK(sample_rate_hz > 0, "load_audio: a rate of ", sample_rate_hz, " Hz");
  const Refuse refuse{path.string()};
  const MappedFile file(path, ErrorKind::kInput);
  const FileType type = checked_type(file.bytes(), refuse);

  MappedStream stream{file.bytes()};
  SF_VIRTUAL_IO calls = MappedStream::calls();
  SF_INFO info{};
  const std::unique_ptr<SNDFILE, int (*)(SNDFILE*)> sound(sf_open_virtual(&calls, SFM_READ, &info, &stream), sf_close);
  if (!sound) {
    refuse("the ", type.noun(), " cannot be opened; it is damaged or of a rare kind. Convert it to WAV or FLAC first");
  }
  check_format(info, refuse);
  const double rate = info.samplerate;
  const bool length_known = info.frames != SF_COUNT_MAX;
  if (length_known) check_seconds("", double(info.frames) / rate, limits, refuse);

  Clip clip{{}, sample_rate_hz};
  if (length_known) {  // growing by doubling would hold ten minutes three times; a header may lie, up to some 115 MB
    const double seconds = std::min(double(info.frames) / rate, limits::kMaxAudioSeconds);
    clip.pcm.reserve(std::size_t(seconds * sample_rate_hz) + kBlockFrames);
  }
  Resampler resampler(info.samplerate, sample_rate_hz);
  const auto channels = std::size_t(info.channels);
  std::vector<float> block(kBlockFrames * channels), mono(kBlockFrames);
  sf_count_t frames = 0;
  std::size_t released = 0;
  while (const sf_count_t got = sf_readf_float(sound.get(), block.data(), kBlockFrames)) {
    for (std::size_t i = 0; i < std::size_t(got); ++i) {
      double sum = 0;
      for (std::size_t c = 0; c < channels; ++c) sum += double(block[i * channels + c]);
      const double sample = sum / double(channels);
      check_sample(sample, double(frames + sf_count_t(i)) / rate, refuse);
      mono[i] = float(sample);
    }
    frames += got;
    check_seconds("more than ", double(frames) / rate, limits, refuse);
    resampler.push({mono.data(), std::size_t(got)}, clip.pcm);
    if (const auto read = std::size_t(stream.at); read > released + kReleaseBytes) {
      release_pages(file.bytes().subspan(released, read - released));
      released = read;
    }
  }
  resampler.finish(clip.pcm);

  // MP3 and Ogg are streams, cut anywhere and often with a guessed length; what is there is the sound.
  const bool exact = length_known && type.kind != FileKind::kMp3 && type.kind != FileKind::kOgg;
  if (exact && frames < info.frames) {
    refuse("the ", type.noun(), " ends early, after ", to_ms(double(frames) / rate), " of ",
           to_ms(double(info.frames) / rate), " s; copy or download it again");
  }
  if (clip.pcm.empty() && frames > 0) {
    refuse("lasts ", frames, "/", info.samplerate, " s, too short for one sample at ", sample_rate_hz,
           " Hz; a longer sound is needed");
  }
  if (clip.pcm.empty()) refuse("holds no samples: it is empty or was cut. Record or download it again");
  return clip;
}

}  // namespace emo
