#include <algorithm>
#include <bit>
#include <cmath>
#include <complex>
#include <cstdlib>
#include <limits>
#include <numbers>
#include <vector>

#include "tests/media/files.h"

namespace emo {
namespace {

using testing::HasSubstr;

Clip load(const std::filesystem::path& path, int rate = 16000) { return media().load_audio(path, rate, {}); }
std::string load_error(const std::filesystem::path& path, const AudioLimits& limits = {}) {
  return input_error([&] { media().load_audio(path, 16000, limits); });
}

/// A WAV of 32-bit floats. `frames` interleaved; `data_bytes` overrides the length that the header gives.
std::string float_wav(const std::vector<float>& samples, int rate, int channels = 1, std::int64_t data_bytes = -1) {
  std::string data;
  for (const float s : samples) data += little(std::bit_cast<std::uint32_t>(s), 4);
  const auto bytes = data_bytes < 0 ? data.size() : std::uint64_t(data_bytes);
  return "RIFF" + little(36 + bytes, 4) + "WAVEfmt " + little(16, 4) + little(3, 2) + little(std::uint64_t(channels), 2) +
         little(std::uint64_t(rate), 4) + little(std::uint64_t(rate) * 4 * std::uint64_t(channels), 4) +
         little(4 * std::uint64_t(channels), 2) + little(32, 2) + "data" + little(bytes, 4) + data;
}

std::vector<float> sine(double hz, int rate, double seconds, double amplitude) {
  std::vector<float> samples(std::size_t(rate * seconds));
  for (std::size_t i = 0; i < samples.size(); ++i) {
    samples[i] = float(amplitude * std::sin(2 * std::numbers::pi * hz * double(i) / rate));
  }
  return samples;
}

/// Runs the ffmpeg program in the folder; 0 when it did its work.
int ffmpeg(const Folder& folder, const std::string& arguments) {
  return std::system(("cd '" + (folder / "").string() + "' && ffmpeg -v error -y " + arguments).c_str());
}

/// Amplitude of the part of this frequency, from 0.1 s to 0.4 s: whole periods of every multiple of 10 Hz, ends left out.
double amplitude_at(const Clip& clip, double hz) {
  const int from = clip.sample_rate_hz / 10, to = clip.sample_rate_hz * 4 / 10;
  std::complex<double> sum = 0;
  for (int i = from; i < to; ++i) {
    sum += double(clip.pcm[std::size_t(i)]) * std::polar(1.0, -2 * std::numbers::pi * hz * i / clip.sample_rate_hz);
  }
  return 2 * std::abs(sum) / (to - from);
}

double rms(const Clip& clip) {
  double sum = 0;
  const std::size_t from = std::size_t(clip.sample_rate_hz) / 10, to = from * 4;
  for (std::size_t i = from; i < to; ++i) sum += double(clip.pcm[i]) * clip.pcm[i];
  return std::sqrt(sum / double(to - from));
}

TEST(LoadAudio, EveryFormatGivesTheSine) {
  const struct {
    const char* name;
    double tolerance;  // of the amplitude, 0.5
  } kFiles[] = {
      {"sine8.wav", 0.002},    {"sine24.wav", 1e-4},
      {"sine32.wav", 1e-4},    {"sine64f.wav", 1e-4},
      {"piped.wav", 1e-4},     {"sine.aiff", 1e-4},
      {"sine.au", 1e-4},       {"sine.caf", 1e-4},
      {"sine.flac", 1e-4},     {"unknown_length.flac", 1e-4},
      {"ulaw.wav", 0.01},      {"alaw.wav", 0.01},  // logarithmic, 13 levels an octave
      {"sine.ogg", 0.01},      {"sine.mp3", 0.03},
      {"mp3_named.wav", 0.03},  // the codecs' own choice
  };
  for (const auto& file : kFiles) {
    SCOPED_TRACE(file.name);
    const Clip clip = load(fixture(file.name));
    EXPECT_EQ(clip.sample_rate_hz, 16000);
    EXPECT_NEAR(clip.seconds(), 0.5, std::string(file.name).find("mp3") == std::string::npos ? 1e-4 : 0.06);  // MP3 pads
    EXPECT_NEAR(amplitude_at(clip, 440), 0.5, file.tolerance);
    EXPECT_NEAR(rms(clip), 0.5 / std::sqrt(2), file.tolerance + 1e-3);  // nothing else is in it
  }
}

TEST(LoadAudio, EqualRatesPassUntouched) {
  const Folder folder;
  const std::vector<float> samples{0.f, 1.f, -1.f, 1.5f, 1e-20f, -0.25f};
  EXPECT_EQ(load(folder.write("a.wav", float_wav(samples, 16000))).pcm, samples);
}

TEST(LoadAudio, MixesToTheMeanOfTheChannels) {
  const Folder folder;
  const auto path = folder.write("a.wav", float_wav({1.f, 0.5f, 0.f, -1.f, 0.25f, 0.f}, 16000, 3));
  EXPECT_EQ(load(path).pcm, (std::vector<float>{0.5f, -0.25f}));
}

TEST(LoadAudio, TheStrongestOfChannelsThatCancelIsHeard) {
  const Folder folder;
  const auto tone = sine(1000, 16000, 0.5, 0.5);
  std::vector<float> opposite, independent;
  for (std::size_t i = 0; i < tone.size(); ++i) {
    opposite.insert(opposite.end(), {-0.9f * tone[i], tone[i]});
    independent.insert(independent.end(), {tone[i], 0.f});
  }
  EXPECT_EQ(load(folder.write("a.wav", float_wav(opposite, 16000, 2))).pcm, tone);
  EXPECT_NEAR(rms(load(folder.write("b.wav", float_wav(independent, 16000, 2)))), 0.25 / std::sqrt(2), 1e-4);
}

TEST(LoadAudio, ResamplingKeepsPitchAndLevel) {
  const Folder folder;
  for (const int rate : {8000, 11025, 22050, 44100, 48000, 96000, 768000}) {
    SCOPED_TRACE(rate);
    const Clip clip = load(folder.write("a.wav", float_wav(sine(1000, rate, 0.5, 0.7), rate)));
    EXPECT_NEAR(double(clip.pcm.size()), 8000, 1);
    // soxr's HQ is made for 20 bits: 1e-6 of full scale, and the passband's ripple.
    EXPECT_NEAR(amplitude_at(clip, 1000), 0.7, 1e-4);
    EXPECT_NEAR(rms(clip), 0.7 / std::sqrt(2), 1e-4);
  }
}

TEST(LoadAudio, ResamplingRemovesWhatTheNewRateCannotHold) {
  const Folder folder;
  EXPECT_LT(rms(load(folder.write("a.wav", float_wav(sine(10000, 48000, 0.5, 1), 48000)))), 1e-4);
}

TEST(LoadAudio, AClickStaysInPlace) {
  const Folder folder;
  for (const int rate : {8000, 44100, 48000}) {
    for (const double at_s : {0.1, 0.75}) {
      std::vector<float> samples(std::size_t(rate), 0.f);
      samples[std::size_t(std::lround(at_s * rate))] = 1;
      const Clip clip = load(folder.write("a.wav", float_wav(samples, rate)));
      const auto loudest = std::ranges::max_element(clip.pcm, {}, [](float x) { return std::abs(x); });
      EXPECT_NEAR(double(loudest - clip.pcm.begin()), at_s * 16000, 1) << rate << " Hz";
    }
  }
}

TEST(LoadAudio, ShortSoundsComeThrough) {
  const Folder folder;
  EXPECT_EQ(load(folder.write("a.wav", float_wav({0.5f}, 16000))).pcm.size(), 1u);
  EXPECT_EQ(load(folder.write("a.wav", float_wav(std::vector<float>(3, 0.5f), 48000))).pcm.size(), 1u);
}

TEST(LoadAudio, ASoundTooShortForTheRateSaysSo) {
  const Folder folder;
  const auto path = folder.write("a.wav", float_wav({0.5f}, 48000));
  EXPECT_EQ(load_error(path),
            path.string() + ": lasts 1/48000 s, too short for one sample at 16000 Hz; a longer sound is needed");
}

TEST(LoadAudio, ALengthThatWasNeverFilledInIsNoPromise) {
  const Folder folder;
  for (const std::int64_t length : {0x7FFFF000ll, 0xFFFFFFFFll}) {
    EXPECT_EQ(load(folder.write("a.wav", float_wav(std::vector<float>(100), 16000, 1, length))).pcm.size(), 100u);
  }
}

TEST(LoadAudio, ALengthOfZeroWithSamplesBehindItIsNoPromise) {
  const Folder folder;
  const std::vector<float> samples(100, 0.5f);
  const Clip clip = load(folder.write("a.wav", float_wav(samples, 16000, 1, 0)));
  EXPECT_EQ(clip.pcm, samples);
  EXPECT_THAT(clip.notes, testing::ElementsAre("its header says that it is empty; read to its end"));
  const std::string empty = float_wav({}, 16000) + "LIST" + little(4, 4) + "INFO";  // chunks are no samples
  EXPECT_THAT(load_error(folder.write("b.wav", empty)), HasSubstr("holds no samples"));
}

TEST(LoadAudio, ALengthSomeBytesTooLargeIsReadToTheEnd) {
  const Folder folder;
  const std::vector<float> samples(2000, 0.5f);
  const Clip clip = load(folder.write("a.wav", float_wav(samples, 16000, 1, 8040)));
  EXPECT_EQ(clip.pcm, samples);
  EXPECT_THAT(clip.notes, testing::ElementsAre("its header promises 40 bytes more than there are; read to its end"));
  EXPECT_THAT(load_error(folder.write("b.wav", float_wav(samples, 16000, 1, 8000 + 1025))), HasSubstr("ends early"));
}

TEST(LoadAudio, Mp3sAsTheyComeAreReadWhole) {
  const Folder folder;
  const std::string mp3 = bytes_of(fixture("sine.mp3"));
  const Clip one = load(fixture("sine.mp3"));
  EXPECT_THAT(one.notes, testing::ElementsAre());
  const Clip padded = load(folder.write("a.mp3", std::string(5000, '\0') + mp3));
  EXPECT_EQ(padded.pcm, one.pcm);
  EXPECT_THAT(padded.notes, testing::ElementsAre("5000 zeros before the sound left out"));
  const Clip two = load(folder.write("b.mp3", mp3 + mp3));
  EXPECT_NEAR(two.seconds(), 2 * one.seconds(), 0.06);  // a frame of the first's end may be lost
  EXPECT_THAT(load_error(folder.write("c.mp3", mp3 + mp3), {.max_seconds = one.seconds() * 1.5}), HasSubstr("lasts"));
}

TEST(LoadAudio, AnMp3InAWavIsRead) {
  const Folder folder;
  ASSERT_EQ(ffmpeg(folder, "-i '" + fixture("sine.flac").string() + "' -c:a libmp3lame -f wav a.wav"), 0);
  EXPECT_NEAR(amplitude_at(load(folder / "a.wav"), 440), 0.5, 0.03);
}

TEST(LoadAudio, WhatPhonesAndVideosHoldGivesTheSine) {
  const Folder folder;
  folder.write("sine.wav", float_wav(sine(440, 48000, 1, 0.5), 48000));
  const struct {
    const char *name, *made_by;
    double length_tolerance_s;  // raw streams carry what the encoder adds: up to two blocks of 1536 samples
  } kFiles[] = {
      {"aac.m4a", "-c:a aac", 0.03},
      {"alac.m4a", "-c:a alac", 1e-3},
      {"aac.3gp", "-c:a aac", 0.03},
      {"opus.webm", "-c:a libopus", 0.03},
      {"live.webm", "-c:a libopus -f webm -live 1", 0.03},
      {"voice.wma", "-c:a wmav2", 0.1},
      {"voice.ac3", "-c:a ac3", 0.07},
      {"voice.aac", "-c:a aac", 0.07},
      {"voice.mov", "-c:a pcm_s16le", 1e-3},
      {"alac.caf", "-c:a alac", 1e-3},
      {"flac.ogg", "-c:a flac", 1e-3},
      {"speex.ogg", "-ar 16000 -c:a libspeex -b:a 32k", 0.1},
      {"pcm.w64", "-c:a pcm_s24le", 1e-3},
      {"of_two.mp4", "-f lavfi -i sine=1000 -f lavfi -i color=s=64x64 -map 2:v -map 0:a -map 1:a -t 1 -c:a aac", 0.03},
  };
  for (const auto& file : kFiles) {
    SCOPED_TRACE(file.name);
    ASSERT_EQ(ffmpeg(folder, concat("-i sine.wav ", file.made_by, " ", file.name)), 0);
    const Clip clip = load(folder / file.name);
    EXPECT_EQ(clip.sample_rate_hz, 16000);
    EXPECT_NEAR(clip.seconds(), 1, file.length_tolerance_s);
    // The codecs' own choice; Speex changes it most.
    EXPECT_NEAR(amplitude_at(clip, 440), 0.5, std::string(file.name).starts_with("speex") ? 0.1 : 0.03);
    EXPECT_NEAR(amplitude_at(clip, 1000), 0, 0.02);
  }
  EXPECT_THAT(load_error(folder / "aac.m4a", {.max_seconds = 0.5}),
              HasSubstr("lasts 1 s; at most 0.5 s are taken. Cut it, or raise `max_seconds`"));
  EXPECT_THAT(load_error(folder / "live.webm", {.max_seconds = 0.5}), HasSubstr("lasts more than 0.5 s; at most 0.5 s"));
}

TEST(LoadAudio, ChannelsThatCancelInAnM4aLeaveTheStrongest) {
  const Folder folder;
  const auto tone = sine(440, 48000, 0.5, 0.5);
  std::vector<float> opposite;
  for (const float x : tone) opposite.insert(opposite.end(), {x, -0.9f * x});
  folder.write("opposite.wav", float_wav(opposite, 48000, 2));
  ASSERT_EQ(ffmpeg(folder, "-i opposite.wav -c:a alac a.m4a"), 0);
  EXPECT_NEAR(amplitude_at(load(folder / "a.m4a"), 440), 0.5, 1e-3);
}

TEST(LoadAudio, CutAndHollowM4asAreNamed) {
  const Folder folder;
  folder.write("sine.wav", float_wav(sine(440, 48000, 5, 0.5), 48000));
  ASSERT_EQ(ffmpeg(folder, "-i sine.wav -c:a alac -movflags +faststart head.m4a"), 0);
  ASSERT_EQ(ffmpeg(folder, "-i sine.wav -c:a aac tail.m4a"), 0);
  ASSERT_EQ(ffmpeg(folder, "-f lavfi -i color=s=64x64 -t 1 mute.mp4"), 0);
  for (const double share : {0.3, 0.5, 0.9}) {  // the table of contents comes first: what there is is decoded
    const std::string head = bytes_of(folder / "head.m4a");
    EXPECT_THAT(load_error(folder.write("a.m4a", head.substr(0, std::size_t(double(head.size()) * share)))),
                testing::ContainsRegex("a\\.m4a: is damaged after [0-9.]+ s: .*; copy or "
                                       "download it again"));
  }
  const std::string tail = bytes_of(folder / "tail.m4a");  // it comes last and is lost
  const std::string why =
      " holds no sound that can be decoded; it has none, is damaged or of a rare kind. Convert it to WAV "
      "or FLAC first";
  EXPECT_THAT(load_error(folder.write("b.m4a", tail.substr(0, tail.size() / 2))), HasSubstr("b.m4a: the M4A sound" + why));
  EXPECT_THAT(load_error(folder / "mute.mp4"), HasSubstr("mute.mp4: the MP4 video" + why));
  std::string noise = tail;
  for (std::size_t i = 100; i < noise.size(); i += 7) noise[i] = char(i * i);
  EXPECT_THAT(load_error(folder.write("c.m4a", noise)), HasSubstr("c.m4a: "));
}

TEST(LoadAudio, WithoutTheLibraryOfVideosTheErrorSaysSo) {
  const Folder folder;
  const auto path = folder.write("a.m4a", std::string("\0\0\0\x18", 4) + "ftypM4A ");
  try {
    media().load_audio(path, 16000, {}, [](const auto&) -> std::unique_ptr<AudioSource> {
      fail(ErrorKind::kDevice, "media: the plug-in for videos cannot be loaded");
    });
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kDevice);
    EXPECT_EQ(e.what(), path.string() +
                            ": is an M4A sound, which FFmpeg's libraries decode. media: the plug-in for videos "
                            "cannot be loaded");
  }
}

TEST(LoadAudio, KindsAreNamedByTheirFirstBytes) {
  const Folder folder;
  const auto none = [](const auto&) -> std::unique_ptr<AudioSource> { return nullptr; };
  const struct {
    std::string bytes;
    const char* name;
  } kFiles[] = {
      {std::string("\0\0\0\x18", 4) + "ftypM4A ", "M4A sound"},
      {std::string("\0\0\0\x18", 4) + "ftyp3gp4", "3GP video"},
      {std::string("\0\0\0\x18", 4) + "ftypqt  ", "MOV video"},
      {std::string("\0\0\0\x18", 4) + "ftypisom", "MP4 video"},
      {"\x1A\x45\xDF\xA3 webm", "WebM video"},
      {"\x1A\x45\xDF\xA3 matroska", "Matroska video"},
      {"\x30\x26\xB2\x75\x8E\x66\xCF\x11", "WMA or WMV file"},
      {"\x0B\x77", "AC-3 sound"},
      {"\xFF\xF1", "AAC sound"},
      {"#!AMR\n", "AMR sound"},
      {"riff\x2E\x91\xCF\x11", "W64 sound"},
      {"RIFF    AVI ", "AVI video"},
  };
  for (const auto& file : kFiles) {
    const auto path = folder.write("a", file.bytes);
    EXPECT_THAT(input_error([&] { media().load_audio(path, 16000, {}, none); }),
                HasSubstr(concat("the ", file.name, " holds no sound")));
  }
}

TEST(LoadAudio, CutFilesAreRefused) {
  const Folder folder;
  for (const char* name : {"sine24.wav", "sine.aiff", "sine.au"}) {
    const std::string whole = bytes_of(fixture(name));
    const auto path = folder.write(name, whole.substr(0, whole.size() / 2));
    EXPECT_THAT(load_error(path),
                HasSubstr(concat(" sound ends early, after ", whole.size() / 2, " bytes; copy or download it again")));
  }
  const std::string flac = bytes_of(fixture("sine.flac"));
  EXPECT_THAT(load_error(folder.write("a.flac", flac.substr(0, flac.size() / 2))),
              testing::ContainsRegex("the FLAC sound ends early, after 0\\.[0-9]+ of 0\\.5 s; copy or download it again"));
  const std::string caf = bytes_of(fixture("sine.caf"));
  EXPECT_THAT(load_error(folder.write("a.caf", caf.substr(0, caf.size() / 2))),
              HasSubstr("the CAF sound cannot be opened; it is damaged or of a rare kind. Convert it to WAV or FLAC first"));
}

TEST(LoadAudio, AStreamGivesWhatIsThere) {
  const Folder folder;
  const std::string mp3 = bytes_of(fixture("sine.mp3"));
  const Clip clip = load(folder.write("a.mp3", mp3.substr(0, mp3.size() * 9 / 10)));
  EXPECT_GT(clip.seconds(), 0.4);
  EXPECT_NEAR(amplitude_at(clip, 440), 0.5, 0.03);
}

TEST(LoadAudio, NaNAndInfinityNameTheirPlace) {
  const Folder folder;
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    std::vector<float> samples(24000, 0.f);
    samples[12000] = bad;
    const auto path = folder.write("a.wav", float_wav(samples, 8000));
    EXPECT_EQ(load_error(path),
              path.string() + ": holds NaN or infinity at 1.5 s; every sample must be a number. Export it again");
  }
}

TEST(LoadAudio, SamplesFarBeyondFullScaleAreNamed) {
  const Folder folder;
  const auto path = folder.write("a.wav", float_wav({0.f, 2e12f}, 8000));
  EXPECT_EQ(load_error(path),
            path.string() + ": holds 2e+12 at 0 s, where full scale is 1; export it again as PCM, or scale it down");
}

TEST(LoadAudio, LimitsAreChecked) {
  const Folder folder;
  const std::vector<float> samples(8000, 0.f);
  auto path = folder.write("a.wav", float_wav(samples, 4000));
  EXPECT_EQ(load_error(path, {.max_seconds = 1.5}),
            path.string() + ": lasts 2 s; at most 1.5 s are taken. Cut it, or raise `max_seconds`");
  EXPECT_EQ(media().load_audio(path, 16000, {.max_seconds = 2}).pcm.size(), 32000u);
  EXPECT_THAT(load_error(fixture("unknown_length.flac"), {.max_seconds = 0.2}), HasSubstr("lasts more than 0."));
  EXPECT_THAT(load_error(folder.write("a.wav", float_wav(samples, 999))),
              HasSubstr("has a rate of 999 Hz; 1000 to 768000 are taken. Resample it first"));
  EXPECT_THAT(load_error(folder.write("a.wav", float_wav(samples, 768001))), HasSubstr("has a rate of 768001 Hz"));
  EXPECT_THAT(load_error(folder.write("a.wav", float_wav(samples, 8000, 65))),
              HasSubstr("has 65 channels; 1 to 64 are taken. Mix it down first"));
  EXPECT_EQ(load(folder.write("a.wav", float_wav(samples, 16000, 64))).pcm.size(), 125u);
}

TEST(LoadAudio, OldSpeechCodecsAreRefused) {
  EXPECT_EQ(load_error(fixture("adpcm.wav")),
            fixture("adpcm.wav").string() +
                ": is coded as IMA ADPCM; PCM, float, u-law, A-law, FLAC, Vorbis, Opus and MP3 are "
                "taken. Convert it to WAV or FLAC first");
  EXPECT_THAT(load_error(fixture("gsm.wav")), HasSubstr("is coded as GSM 6.10"));
}

TEST(LoadAudio, OtherFilesAreNamed) {
  const Folder folder;
  const auto expect = [&](const std::filesystem::path& path, const std::string& what) {
    EXPECT_EQ(load_error(path),
              path.string() + ": is " + what +
                  "; WAV, FLAC, MP3, M4A, Ogg and many other sounds can be read, and that of a video. Convert it to WAV "
                  "or FLAC first");
  };
  expect(fixture("rgb.png"), "a PNG picture");
  expect(folder.write("notes.wav", "Dear diary,\n"), "a text file");
  expect(folder.write("noise.wav", std::string("\1\2\3\0\4\5", 6)), "a file of unknown kind");
  expect(folder.write("phone.wav", std::string("\0\0\0\x18", 4) + "ftypheic"), "a HEIC picture");
}

TEST(LoadAudio, MissingEmptyAndFolder) {
  const Folder folder;
  EXPECT_THAT(load_error(folder / "none.wav"),
              HasSubstr((folder / "none.wav").string() + ": cannot be opened: No such file"));
  EXPECT_THAT(load_error(folder.write("empty.wav", "")), HasSubstr("is empty (0 bytes)"));
  EXPECT_THAT(load_error(folder / ""), HasSubstr("is a folder; name one file in it"));
  EXPECT_THAT(load_error(folder.write("silent.wav", float_wav({}, 16000))),
              HasSubstr("holds no samples: it is empty or was cut. Record or download it again"));
  EXPECT_THAT(load_error(folder.write("broken.wav", "RIFF" + little(4, 4) + "WAVE" + little(0, 8))),
              HasSubstr("the WAV sound cannot be opened; it is damaged or of a rare kind. Convert it to WAV or FLAC first"));
}

TEST(LoadAudio, ARateOfZeroIsOurDefect) {
  try {
    load(fixture("sine.flac"), 0);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kInternal);
    EXPECT_STREQ(e.what(), "load_audio: a rate of 0 Hz");
  }
}

}  // namespace
}  // namespace emo
