#include "engine/media/audio/audio_file.h"

#include <sndfile.h>
#include <soxr.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <numeric>
#include <span>
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
  std::size_t patch_at = 0;  ///< where `patch` stands instead of the file's own bytes
  std::vector<std::byte> patch = {};

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
      for (std::size_t i = 0; i < s.patch.size(); ++i) {
        const sf_count_t place = sf_count_t(s.patch_at + i) - s.at;
        if (place >= 0 && place < count) static_cast<std::byte*>(to)[place] = s.patch[i];
      }
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

/// What shows that channels cancel in their mean: microphones wired the wrong way round, "surround" effects.
class ChannelEnergies {
 public:
  explicit ChannelEnergies(std::size_t channels) : of_(channels) {}

  /// The mean of a frame (channels), whose energies are added up.
  double add(std::span<const float> frame) {
    double sum = 0;
    for (std::size_t c = 0; c < frame.size(); ++c) {
      sum += double(frame[c]);
      of_[c] += double(frame[c]) * double(frame[c]);
    }
    const double mean = sum / double(frame.size());
    of_mean_ += mean * mean;
    return mean;
  }
  /// The mean has less than a tenth of the energy that it has of channels which are independent.
  bool cancel() const {
    const double n = double(of_.size()), independent = std::accumulate(of_.begin(), of_.end(), 0.0) / (n * n);
    return of_mean_ < 0.1 * independent;
  }
  std::size_t strongest() const { return std::size_t(std::ranges::max_element(of_) - of_.begin()); }

 private:
  std::vector<double> of_;
  double of_mean_ = 0;
};

/// Whether chunks, or nothing, fill a WAV from here to its end.
bool is_chunks(const HeaderReader& in, std::uint64_t at) {
  while (at + 8 <= in.size()) {
    const std::uint64_t length = in.little(at + 4, 4);
    at += 8 + length + length % 2;
  }
  return at == in.size();
}

/// Makes sense of the length that a WAV, AIFF or AU gives: libsndfile reads what is there of one that was cut, and says
/// nothing. Some bytes too few are a careless program's; a length of 0 with samples behind it is one that was never filled
/// in. Refuses a file that was cut.
void check_length(const HeaderReader& in, MappedStream& stream, std::vector<std::string>& notes) {
  constexpr std::uint64_t kSlackBytes = 1024;  // 6 ms of a CD
  const auto check = [&](std::uint64_t at, std::uint64_t length) {
    // Programs that write into a pipe cannot go back to fill in the length and leave such numbers.
    if (length >= 0x7FFF'F000 || at > in.size() || length <= in.size() - at) return;
    const std::uint64_t lacking = length - (in.size() - at);
    if (lacking > kSlackBytes) in.bytes(at, length);  // throws
    notes.push_back(concat("its header promises ", lacking, " bytes more than there are; read to its end"));
  };
  if (in.has(0, ".snd")) return check(in.big(4, 4), in.big(8, 4));
  const bool aiff = in.has(0, "FORM");
  for (std::uint64_t at = 12; at + 8 <= in.size();) {
    const std::uint64_t length = in.number(at + 4, 4, aiff);
    if (in.has(at, aiff ? "SSND" : "data")) {
      if (!aiff && length == 0 && !is_chunks(in, at + 8)) {
        stream.patch_at = std::size_t(at + 4);
        for (int i = 0; i < 4; ++i) stream.patch.push_back(std::byte((in.size() - at - 8) >> 8 * i & 0xFF));
        notes.push_back("its header says that it is empty; read to its end");
        return;
      }
      return check(at + 8, length);
    }
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
    case FileKind::kAu:
    case FileKind::kCaf:
    case FileKind::kFlac:
    case FileKind::kOgg:
    case FileKind::kMp3: return type;
    default:
      refuse("is ", type.name,
             "; WAV, AIFF, AU, CAF, FLAC, Ogg and MP3 sounds can be read. Convert it to WAV or FLAC first");
  }
}

/// Without the zeros that some recorders and radio archives put before an MP3; all of it where none follows.
std::span<const std::byte> without_zeros(std::span<const std::byte> bytes, std::vector<std::string>& notes) {
  constexpr std::size_t kMost = 1 << 20;
  const auto head = bytes.first(std::min(bytes.size(), kMost));
  const auto zeros = std::size_t(std::ranges::find_if(head, [](std::byte b) { return b != std::byte{}; }) - head.begin());
  if (zeros == 0 || file_type(bytes.subspan(zeros)).kind != FileKind::kMp3) return bytes;
  notes.push_back(concat(zeros, " zeros before the sound left out"));
  return bytes.subspan(zeros);
}

/// Whether a frame of an MP3 begins here that tells the length of those after it.
bool is_length_frame(const HeaderReader& in, std::uint64_t at) {
  if (at + 40 > in.size() || file_type(in.bytes(at, 2)).kind != FileKind::kMp3 || in.u8(at) != 0xFF) return false;
  const bool mpeg1 = (in.u8(at + 1) & 0x08) != 0, mono = (in.u8(at + 3) & 0xC0) == 0xC0;
  const std::uint64_t tag = at + 4 + (mpeg1 ? (mono ? 17u : 32u) : (mono ? 9u : 17u));
  return in.has(tag, "Xing") || in.has(tag, "Info");
}

/// The sounds of which an MP3 was joined, one after the other. A decoder ends where the first of them says that it ends.
std::vector<std::span<const std::byte>> mp3_parts(std::span<const std::byte> bytes) {
  const HeaderReader in(bytes, "", "MP3 sound");
  std::vector<std::span<const std::byte>> parts;
  std::size_t start = 0;
  bool headed = false;
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    const auto* sync = static_cast<const unsigned char*>(std::memchr(data + at, 0xFF, bytes.size() - at));
    if (!sync) break;
    at = std::size_t(sync - data);
    if (!is_length_frame(in, at)) continue;
    if (headed) parts.push_back(bytes.subspan(start, at - start)), start = at;
    headed = true;
  }
  parts.push_back(bytes.subspan(start));
  return parts;
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

/// What decode() found.
struct Decoded {
  sf_count_t frames = 0, promised = 0;  ///< at its own rate; promised 0: the header does not know
  int rate_hz = 0;
};

/// Decodes a sound and appends it to the clip.
Decoded decode(MappedStream stream, const FileType& type, const AudioLimits& limits, const Refuse& refuse, Clip& clip) {
  SF_VIRTUAL_IO calls = MappedStream::calls();
  SF_INFO info{};
  const std::unique_ptr<SNDFILE, int (*)(SNDFILE*)> sound(sf_open_virtual(&calls, SFM_READ, &info, &stream), sf_close);
  if (!sound) {
    refuse("the ", type.noun(), " cannot be opened; it is damaged or of a rare kind. Convert it to WAV or FLAC first");
  }
  check_format(info, refuse);
  const double rate = info.samplerate;
  const bool length_known = info.frames != SF_COUNT_MAX;
  const double before_s = clip.seconds();
  if (length_known) check_seconds("", before_s + double(info.frames) / rate, limits, refuse);

  if (length_known) {  // growing by doubling would hold ten minutes three times; a header may lie, up to some 115 MB
    const double seconds = std::min(double(info.frames) / rate, limits::kMaxAudioSeconds);
    clip.pcm.reserve(clip.pcm.size() + std::size_t(seconds * clip.sample_rate_hz) + kBlockFrames);
  }
  const auto channels = std::size_t(info.channels);
  const std::size_t before = clip.pcm.size();
  std::vector<float> block(kBlockFrames * channels), mono(kBlockFrames);
  ChannelEnergies energies(channels);
  sf_count_t frames = 0;
  std::size_t released = 0;
  /// Channel `only` or, for their number, the mean of all.
  const auto read = [&](std::size_t only) {
    Resampler resampler(info.samplerate, clip.sample_rate_hz);
    while (const sf_count_t got = sf_readf_float(sound.get(), block.data(), kBlockFrames)) {
      for (std::size_t i = 0; i < std::size_t(got); ++i) {
        const std::span<const float> frame(block.data() + i * channels, channels);
        const double sample = only < channels ? double(frame[only]) : energies.add(frame);
        check_sample(sample, before_s + double(frames + sf_count_t(i)) / rate, refuse);
        mono[i] = float(sample);
      }
      frames += got;
      check_seconds("more than ", before_s + double(frames) / rate, limits, refuse);
      resampler.push({mono.data(), std::size_t(got)}, clip.pcm);
      if (const auto at = std::size_t(stream.at); at > released + kReleaseBytes) {
        release_pages(stream.bytes.subspan(released, at - released));
        released = at;
      }
    }
    resampler.finish(clip.pcm);
  };
  read(channels);
  if (energies.cancel() && sf_seek(sound.get(), 0, SF_SEEK_SET) == 0) {
    clip.pcm.resize(before);
    frames = 0;
    released = 0;
    read(energies.strongest());
  }

  // MP3 and Ogg are streams, cut anywhere and often with a guessed length; what is there is the sound.
  const int codec = info.format & SF_FORMAT_SUBMASK;
  const bool mpeg = codec >= SF_FORMAT_MPEG_LAYER_I && codec <= SF_FORMAT_MPEG_LAYER_III;
  const bool exact = length_known && type.kind != FileKind::kOgg && !mpeg;
  return {frames, exact ? info.frames : 0, info.samplerate};
}

}  // namespace

Clip load_audio(const std::filesystem::path& path, int sample_rate_hz, const AudioLimits& limits) {
  EMO_CHECK(sample_rate_hz > 0, "load_audio: a rate of ", sample_rate_hz, " Hz");
  const Refuse refuse{path.string()};
  const MappedFile file(path, ErrorKind::kInput);
  Clip clip{{}, sample_rate_hz};
  const auto bytes = without_zeros(file.bytes(), clip.notes);
  const FileType type = checked_type(bytes, refuse);

  Decoded whole;
  if (type.kind == FileKind::kMp3) {
    const auto parts = mp3_parts(bytes);
    for (const auto part : parts) {
      const Decoded decoded = decode({part}, type, limits, refuse, clip);
      whole.frames += decoded.frames, whole.rate_hz = decoded.rate_hz;
    }
    if (parts.size() > 1) clip.notes.push_back(concat("is made of ", parts.size(), " sounds, read one after the other"));
  } else {
    MappedStream stream{bytes};
    const bool has_length = type.kind == FileKind::kWav || type.kind == FileKind::kAiff || type.kind == FileKind::kAu;
    if (has_length) check_length(HeaderReader(bytes, refuse.name, type.noun()), stream, clip.notes);
    whole = decode(stream, type, limits, refuse, clip);
  }
  const double rate = whole.rate_hz;
  if (whole.frames < whole.promised && clip.notes.empty()) {
    refuse("the ", type.noun(), " ends early, after ", to_ms(double(whole.frames) / rate), " of ",
           to_ms(double(whole.promised) / rate), " s; copy or download it again");
  }
  if (clip.pcm.empty() && whole.frames > 0) {
    refuse("lasts ", whole.frames, "/", whole.rate_hz, " s, too short for one sample at ", sample_rate_hz,
           " Hz; a longer sound is needed");
  }
  if (clip.pcm.empty()) refuse("holds no samples: it is empty or was cut. Record or download it again");
  return clip;
}

}  // namespace emo
