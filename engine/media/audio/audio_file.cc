#include "engine/media/audio/audio_file.h"

#include <sndfile.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "engine/media/audio/mono.h"
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

FileType checked_type(std::span<const std::byte> bytes, const Refuse& refuse) {
  const FileType type = file_type(bytes);
  switch (type.kind) {
    case FileKind::kWav:
    case FileKind::kAiff:
    case FileKind::kAu:
    case FileKind::kCaf:
    case FileKind::kFlac:
    case FileKind::kOgg:
    case FileKind::kMp3:
    case FileKind::kFfmpeg: return type;
    default:
      refuse("is ", type.name,
             "; WAV, FLAC, MP3, M4A, Ogg and many other sounds can be read, and that of a video. Convert it to WAV or FLAC "
             "first");
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

/// What libsndfile decodes.
class SndfileSource final : public AudioSource {
 public:
  SndfileSource(const MappedStream& stream, const FileType& type)
      : stream_(stream), sound_(sf_open_virtual(&calls_, SFM_READ, &info_, &stream_), sf_close) {
    format_ = {info_.samplerate, info_.channels};
    if (!sound_ || info_.frames == SF_COUNT_MAX) return;
    format_.seconds = double(info_.frames) / info_.samplerate;
    // MP3 and Ogg are streams, cut anywhere and often with a guessed length; what is there is the sound.
    const int codec = info_.format & SF_FORMAT_SUBMASK;
    const bool mpeg = codec >= SF_FORMAT_MPEG_LAYER_I && codec <= SF_FORMAT_MPEG_LAYER_III;
    if (type.kind != FileKind::kOgg && !mpeg) format_.least_s = format_.seconds;
  }
  SndfileSource(const SndfileSource&) = delete;

  bool opened() const { return sound_ != nullptr; }
  /// As SF_INFO has it.
  int codec() const { return info_.format; }
  const AudioFormat& format() const override { return format_; }

  std::span<const float> read() override {
    block_.resize(kBlockFrames * std::size_t(info_.channels));
    const sf_count_t got = sf_readf_float(sound_.get(), block_.data(), kBlockFrames);
    if (const auto at = std::size_t(stream_.at); at > released_ + kReleaseBytes) {
      release_pages(stream_.bytes.subspan(released_, at - released_));
      released_ = at;
    }
    return std::span(block_).first(std::size_t(got * info_.channels));
  }
  bool restart() override {
    released_ = 0;
    return sf_seek(sound_.get(), 0, SEEK_SET) == 0;
  }

 private:
  MappedStream stream_;
  SF_VIRTUAL_IO calls_ = MappedStream::calls();
  SF_INFO info_{};
  const std::unique_ptr<SNDFILE, int (*)(SNDFILE*)> sound_;
  AudioFormat format_;
  std::vector<float> block_;
  std::size_t released_ = 0;
};

/// Null when FFmpeg may know more: Ogg and CAF hold many codecs.
std::unique_ptr<AudioSource> open_sndfile(const MappedStream& stream, const FileType& type, const Refuse& refuse) {
  auto source = std::make_unique<SndfileSource>(stream, type);
  if (source->opened() && takes(source->codec())) return source;
  const bool caf_of_pcm = HeaderReader(stream.bytes, "", "").has(28, "lpcm");  // always the first chunk
  if (type.kind == FileKind::kOgg || (type.kind == FileKind::kCaf && !caf_of_pcm)) return nullptr;
  if (!source->opened()) {
    refuse("the ", type.noun(), " cannot be opened; it is damaged or of a rare kind. Convert it to WAV or FLAC first");
  }
  refuse("is coded as ", codec_name(source->codec()),
         "; PCM, float, u-law, A-law, FLAC, Vorbis, Opus and MP3 are taken. Convert it to WAV or FLAC first");
}

std::unique_ptr<AudioSource> open_ffmpeg(const std::filesystem::path& path, const FileType& type, const OpenAudio& open,
                                         const Refuse& refuse) try {
  if (auto source = open(path)) return source;
  refuse("the ", type.noun(),
         " holds no sound that can be decoded; it has none, is damaged or of a rare kind. Convert it to WAV or FLAC first");
} catch (const Error& e) {
  if (e.kind() != ErrorKind::kDevice) throw;
  fail(ErrorKind::kDevice, refuse.name, ": is ", type.name, ", which FFmpeg's libraries decode. ", e.what());
}

}  // namespace

Clip load_audio(const std::filesystem::path& path, int sample_rate_hz, const AudioLimits& limits, const OpenAudio& open) {
  EMO_CHECK(sample_rate_hz > 0, "load_audio: a rate of ", sample_rate_hz, " Hz");
  const Refuse refuse{path.string()};
  const MappedFile file(path, ErrorKind::kInput);
  Clip clip{{}, sample_rate_hz};
  const auto bytes = without_zeros(file.bytes(), clip.notes);
  const FileType type = checked_type(bytes, refuse);

  std::int64_t frames = 0;
  AudioFormat format;
  const auto append = [&](std::unique_ptr<AudioSource> source) {
    if (!source) source = open_ffmpeg(path, type, open, refuse);
    frames += append_mono(*source, limits, refuse, clip);
    format = source->format();
  };
  if (type.kind == FileKind::kFfmpeg) {
    append(nullptr);
  } else if (type.kind == FileKind::kMp3) {
    const auto parts = mp3_parts(bytes);
    for (const auto part : parts) append(open_sndfile({part}, type, refuse));
    if (parts.size() > 1) clip.notes.push_back(concat("is made of ", parts.size(), " sounds, read one after the other"));
  } else {
    MappedStream stream{bytes};
    const bool has_length = type.kind == FileKind::kWav || type.kind == FileKind::kAiff || type.kind == FileKind::kAu;
    if (has_length) check_length(HeaderReader(bytes, refuse.name, type.noun()), stream, clip.notes);
    append(open_sndfile(stream, type, refuse));
  }
  const double seconds = double(frames) / format.sample_rate_hz;
  if (seconds < format.least_s && clip.notes.empty()) {
    refuse("the ", type.noun(), " ends early, after ", to_ms(seconds), " of ", to_ms(format.seconds),
           " s; copy or download it again");
  }
  if (clip.pcm.empty() && frames > 0) {
    refuse("lasts ", frames, "/", format.sample_rate_hz, " s, too short for one sample at ", sample_rate_hz,
           " Hz; a longer sound is needed");
  }
  if (clip.pcm.empty()) refuse("holds no samples: it is empty or was cut. Record or download it again");
  return clip;
}

Clip load_video_sound(const std::filesystem::path& path, int sample_rate_hz, const AudioLimits& limits,
                      const OpenAudio& open) {
  Clip clip{{}, sample_rate_hz};
  if (const auto source = open(path)) append_mono(*source, limits, {path.string()}, clip);
  return clip;
}

}  // namespace emo
