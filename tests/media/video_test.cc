#include "engine/media/video.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cmath>
#include <csignal>
#include <cstdlib>
#include <numbers>

#include "tests/temp_dir.h"
#include "tests/throws.h"

namespace emo {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

/// A picture of one colour.
Image plain(int width, int height, int red, int green, int blue) {
  Image image(width, height);
  for (std::size_t i = 0; i < image.rgb.size(); i += 3) {
    image.rgb[i] = std::uint8_t(red), image.rgb[i + 1] = std::uint8_t(green), image.rgb[i + 2] = std::uint8_t(blue);
  }
  return image;
}

Clip silence(double seconds) {
  return {std::vector<float>(std::size_t(seconds * Video::kSoundRateHz)), Video::kSoundRateHz};
}

struct Frames {
  std::vector<Image> images;
  std::vector<double> times_s;
};

Frames read_all(const std::filesystem::path& path) {
  const auto reader = video().read(path, {});
  Frames frames;
  Image image;
  double t = 0;
  while (reader->read(image, t)) frames.images.push_back(image), frames.times_s.push_back(t);
  return frames;
}

double brightness(const Image& image) {
  double sum = 0;
  for (const auto v : image.rgb) sum += v;
  return sum / double(image.rgb.size());
}

class VideoTest : public testing::Test {
 protected:
  /// Frames of rising brightness.
  void write(const std::string& name, int frames, double fps, Clip sound = {}, int width = 64, int height = 48) {
    const auto writer = video().write(dir_ / name, {fps, std::move(sound)});
    for (int i = 0; i < frames; ++i) writer->add(plain(width, height, 40 + 4 * i, 40 + 4 * i, 40 + 4 * i));
    writer->finish();
  }
  std::string refusal(ErrorKind kind, const std::string& name, double fps = 25) {
    return text_of(kind, [&] { video().write(dir_ / name, {fps, {}}); });
  }
  Clip own_sound(const std::string& name, const AudioLimits& limits) const {
    return media().load_video_sound(dir_ / name, Video::kSoundRateHz, limits);
  }
  std::string path(const std::string& name) const { return (dir_ / name).string(); }
  /// Runs the program in the folder.
  int ffmpeg(const std::string& arguments) const {
    return std::system(("cd '" + dir_.path().string() + "' && ffmpeg -v error -y " + arguments).c_str());
  }
  const TempDir dir_;
};

TEST_F(VideoTest, EveryFormatGivesItsFramesBack) {
  for (const std::string name : {"a.mp4", "a.webm", "a.gif"}) {
    write(name, 30, 25);
    const Frames frames = read_all(dir_ / name);
    ASSERT_EQ(frames.images.size(), 30u) << name;
    for (int i = 0; i < 30; ++i) {
      EXPECT_EQ(frames.images[std::size_t(i)].width, 64);
      EXPECT_EQ(frames.images[std::size_t(i)].height, 48);
      EXPECT_NEAR(frames.times_s[std::size_t(i)], i / 25.0, 2e-3) << name;
      EXPECT_NEAR(brightness(frames.images[std::size_t(i)]), 40 + 4 * i, 3) << name << " frame " << i;
    }
    EXPECT_FALSE(std::filesystem::exists(dir_ / ("a.part" + name.substr(1))));
    EXPECT_NEAR(video().read(dir_ / name, {})->fps(), 25, 0.1) << name;
  }
}

TEST_F(VideoTest, ColoursComeBack) {
  for (const std::string name : {"a.mp4", "a.webm", "a.gif"}) {
    const auto writer = video().write(dir_ / name, {10, {}});
    for (int i = 0; i < 5; ++i) writer->add(plain(64, 64, 200, 120, 90));  // a skin tone: BT.601 for BT.709 is 10 off
    writer->finish();
    const Image last = read_all(dir_ / name).images.at(4);
    const int want[] = {200, 120, 90};
    for (int c = 0; c < 3; ++c) EXPECT_NEAR(last.pixel(32, 32)[c], want[c], 4) << name;
  }
}

TEST_F(VideoTest, FolderHoldsTheVeryPixels) {
  Image image = plain(31, 17, 1, 2, 3);
  for (std::size_t i = 0; i < image.rgb.size(); ++i) image.rgb[i] = std::uint8_t(i * 7);
  const auto writer = video().write(path("frames") + "/", {25, silence(1)});
  writer->add(image);
  writer->add(plain(31, 17, 9, 9, 9));
  EXPECT_TRUE(std::filesystem::exists(dir_ / "frames.part/000001.png"));
  writer->finish();
  EXPECT_EQ(writer->remark(), "without sound");
  EXPECT_EQ(media().load_image(dir_ / "frames/000001.png", {}).rgb, image.rgb);
  EXPECT_EQ(media().load_image(dir_ / "frames/000002.png", {}).rgb, plain(31, 17, 9, 9, 9).rgb);
  EXPECT_EQ(dir_.count(), 1u);
}

TEST_F(VideoTest, OddSidesRepeatTheirEdge) {
  const auto writer = video().write(dir_ / "odd.mp4", {25, {}});
  Image image = plain(63, 47, 60, 60, 60);
  for (int y = 0; y < 47; ++y) std::fill_n(image.pixel(59, y), 12, std::uint8_t(200));  // its last four columns
  for (int i = 0; i < 3; ++i) writer->add(image);
  EXPECT_EQ(writer->remark(), "edge repeated, 63x47 became 64x48");
  writer->finish();
  const Image last = read_all(dir_ / "odd.mp4").images.at(2);
  ASSERT_EQ(last.width, 64);
  ASSERT_EQ(last.height, 48);
  EXPECT_NEAR(last.pixel(63, 20)[0], 200, 6);
  EXPECT_NEAR(last.pixel(20, 47)[0], 60, 6);
  write("odd.webm", 3, 25, {}, 63, 47);
  EXPECT_EQ(read_all(dir_ / "odd.webm").images.at(0).width, 63);
}

// A click of 1 kHz and a white frame, both 1 s into the video. The sound is read back by the ffmpeg program, and by our own
// reader of WAV files.
TEST_F(VideoTest, ClickAndFlashComeTogether) {
  for (const std::string name : {"click.mp4", "click.webm"}) {
    Clip sound = silence(2);
    for (int i = 0; i < 480; ++i) {
      sound.pcm[std::size_t(Video::kSoundRateHz + i)] = float(0.8 * std::sin(2 * std::numbers::pi * i / 48));
    }
    const auto writer = video().write(dir_ / name, {25, std::move(sound)});
    for (int i = 0; i < 50; ++i) writer->add(plain(64, 64, i == 25 ? 255 : 0, i == 25 ? 255 : 0, i == 25 ? 255 : 0));
    writer->finish();

    const Frames frames = read_all(dir_ / name);
    ASSERT_EQ(frames.images.size(), 50u);
    const auto flash = std::ranges::max_element(frames.images, {}, brightness) - frames.images.begin();
    EXPECT_NEAR(frames.times_s[std::size_t(flash)], 1.0, 1e-3);
    ASSERT_EQ(std::system(("ffmpeg -v error -y -copyts -i '" + path(name) + "' -af aresample=async=1:first_pts=0 '" +
                           path("s.wav") + "'")
                              .c_str()),
              0);
    const Clip back = media().load_audio(dir_ / "s.wav", Video::kSoundRateHz, {});
    EXPECT_NEAR(back.seconds(), 2, 0.04) << name;
    const auto loud = std::ranges::find_if(back.pcm, [](float v) { return std::abs(v) > 0.3f; }) - back.pcm.begin();
    EXPECT_NEAR(double(loud) / back.sample_rate_hz, 1.0, 0.005) << name;  // a frame lasts 0.04

    const Clip own = own_sound(name, {});
    EXPECT_NEAR(own.seconds(), 2, 0.04) << name;
    const auto heard = std::ranges::find_if(own.pcm, [](float v) { return std::abs(v) > 0.3f; }) - own.pcm.begin();
    EXPECT_NEAR(double(heard) / own.sample_rate_hz, 1.0, 0.005 + 0.007) << name;  // WebM's pictures begin Opus' 7 ms late
    EXPECT_THAT(text_of(ErrorKind::kInput, [&] { own_sound(name, {.max_seconds = 1}); }),
                HasSubstr("; at most 1 s are taken. Cut it, or raise `max_seconds`"));
  }
}

// A telephone held upright writes its sensor's rows and says how to turn them.
TEST_F(VideoTest, ATelephonesRotationIsApplied) {
  Image image = plain(64, 48, 20, 20, 20);
  for (int y = 0; y < 48; ++y) std::fill_n(image.pixel(0, y), 3 * 16, std::uint8_t(220));  // a bright left edge
  {
    const auto writer = video().write(dir_ / "a.mp4", {25, {}});
    for (int i = 0; i < 3; ++i) writer->add(image);
    writer->finish();
  }
  struct Turn {
    const char* degrees;  // counter-clockwise: FFmpeg 5 writes it so; 270 is the matrix of a telephone held upright
    int width, bright_x, bright_y;
  };
  for (const Turn& turn : {Turn{"0", 64, 4, 24}, {"90", 48, 24, 60}, {"180", 64, 60, 24}, {"270", 48, 24, 4}}) {
    SCOPED_TRACE(turn.degrees);
    ASSERT_EQ(std::system(("ffmpeg -v error -y -i '" + path("a.mp4") + "' -c copy -metadata:s:v:0 rotate=" + turn.degrees +
                           " '" + path("turned.mp4") + "'")
                              .c_str()),
              0);
    const Image first = read_all(dir_ / "turned.mp4").images.at(0);
    ASSERT_EQ(first.width, turn.width);
    ASSERT_EQ(first.height, 64 + 48 - turn.width);
    EXPECT_NEAR(first.pixel(turn.bright_x, turn.bright_y)[0], 220, 8);
    EXPECT_NEAR(first.pixel(first.width - 1 - turn.bright_x, first.height - 1 - turn.bright_y)[0], 20, 8);
  }
}

TEST_F(VideoTest, PixelsThatAreNotSquareAreMadeSo) {
  write("a.mp4", 2, 25, {}, 32, 64);
  ASSERT_EQ(
      std::system(("ffmpeg -v error -y -i '" + path("a.mp4") + "' -c copy -aspect 1:1 '" + path("wide.mp4") + "'").c_str()),
      0);
  const Image first = read_all(dir_ / "wide.mp4").images.at(0);
  EXPECT_EQ(first.width, 64);
  EXPECT_EQ(first.height, 64);
}

TEST_F(VideoTest, AVideoThatIsNotFinishedLeavesNothing) {
  for (const std::string name : {"a.mp4", "frames"}) {
    { video().write(dir_ / name, {25, {}})->add(plain(64, 48, 0, 0, 0)); }
    EXPECT_EQ(dir_.count(), 0u) << name;
  }
}

TEST_F(VideoTest, AnEndThatCannotBeWrittenLeavesWhatItNamesAlone) {
  struct NoMoreBytes {  // in any file of this process; as a full disk, but for its name
    NoMoreBytes() : handler(std::signal(SIGXFSZ, SIG_IGN)) {
      ::getrlimit(RLIMIT_FSIZE, &old);
      const rlimit none{0, old.rlim_max};
      ::setrlimit(RLIMIT_FSIZE, &none);
    }
    ~NoMoreBytes() {
      ::setrlimit(RLIMIT_FSIZE, &old);
      std::signal(SIGXFSZ, handler);
    }
    void (*handler)(int);
    rlimit old;
  };
  for (const int frames : {1, 100}) {  // one is not worth keeping
    auto writer = video().write(dir_ / "a.mp4", {25, {}});
    for (int i = 0; i < frames; ++i) writer->add(plain(64, 48, 0, 0, 2 * i));
    const std::string error = text_of(ErrorKind::kInput, [&] {
      const NoMoreBytes limit;
      writer->finish();
    });
    writer.reset();
    EXPECT_THAT(error, StartsWith("output: " + path("a.mp4") + " cannot be written: File too large"));
    EXPECT_EQ(error.ends_with("; what was done stays in " + path("a.part.mp4")), frames > 1) << error;
    EXPECT_EQ(dir_.count(), frames > 1 ? 1u : 0u);
  }
}

TEST_F(VideoTest, FramesOfAnOlderRunAreReplaced) {
  std::filesystem::create_directories(dir_ / "a.part");
  write_file(dir_ / "a.part/000009.png", "");
  write("a", 1, 25, {}, 8, 8);
  EXPECT_FALSE(std::filesystem::exists(dir_ / "a/000009.png"));
  EXPECT_TRUE(std::filesystem::exists(dir_ / "a/000001.png"));
}

TEST_F(VideoTest, AVideoWithoutSoundHasNone) {
  write("a.mp4", 2, 25, {}, 32, 32);
  EXPECT_TRUE(own_sound("a.mp4", {}).pcm.empty());
}

TEST_F(VideoTest, SoundThatIsNoneIsRefused) {
  write("a.mp4", 50, 25);
  const auto error = [&](float bad) {
    std::vector<float> pcm(2 * Video::kSoundRateHz);
    pcm[Video::kSoundRateHz / 2] = bad;
    write_file(dir_ / "s.raw", {reinterpret_cast<const char*>(pcm.data()), pcm.size() * sizeof(float)});
    EXPECT_EQ(ffmpeg("-i a.mp4 -f f32le -ar 48000 -ac 1 -i s.raw -c copy a.mkv"), 0);
    return text_of(ErrorKind::kInput, [&] { own_sound("a.mkv", {}); });
  };
  for (const float bad : {std::nanf(""), -INFINITY}) {
    EXPECT_EQ(error(bad),
              path("a.mkv") + ": holds NaN or infinity at 0.5 s; every sample must be a number. Export it again");
  }
  EXPECT_EQ(error(-2e12f),
            path("a.mkv") + ": holds -2e+12 at 0.5 s, where full scale is 1; export it again as PCM, or scale it down");
}

TEST_F(VideoTest, SoundIsLimitedFromTheFirstPictureOnWhateverTheTimestamps) {
  write("a.mp4", 50, 25, silence(2));
  ASSERT_EQ(ffmpeg("-i a.mp4 -itsoffset 1000 -i a.mp4 -map 0:v -map 1:a -c copy late.mkv"), 0);
  ASSERT_EQ(ffmpeg("-itsoffset 1000 -i a.mp4 -i a.mp4 -map 0:v -map 1:a -c copy early.mkv"), 0);
  for (const char* name : {"late.mkv", "early.mkv"}) {
    EXPECT_THAT(text_of(ErrorKind::kInput, [&] { own_sound(name, {.max_seconds = 0.9}); }),
                testing::EndsWith("; at most 0.9 s are taken. Cut it, or raise `max_seconds`"));
  }
  EXPECT_TRUE(own_sound("early.mkv", {.max_seconds = 3}).pcm.empty());  // all of it comes before the pictures
}

TEST_F(VideoTest, AnInterruptedVideoPlaysUpToThere) {
  for (const std::string name : {"a.mp4", "a.webm", "a.gif"}) {
    const auto writer = video().write(dir_ / name, {25, name == "a.gif" ? Clip{} : silence(4)});
    for (int i = 0; i < 20; ++i) writer->add(plain(64, 48, 90, 90, 90));
    writer->interrupt();
    EXPECT_FALSE(std::filesystem::exists(dir_ / name));
    EXPECT_EQ(read_all(writer->part()).images.size(), 20u) << name;
    EXPECT_NEAR(video().read(writer->part(), {})->seconds(), 0.8, 0.05) << name;  // the sound ends there too
  }
}

TEST_F(VideoTest, AnMp4CutAnywherePlaysItsWholeFragments) {
  const auto writer = video().write(dir_ / "a.mp4", {10, silence(10)});
  for (int i = 0; i < 70; ++i) writer->add(plain(64, 48, 90 + i, 90, 90));
  std::filesystem::copy(writer->part(), dir_ / "killed.mp4");  // what a killed run leaves
  writer->finish();
  EXPECT_GE(read_all(dir_ / "killed.mp4").images.size(), 60u);
}

TEST_F(VideoTest, AVideoWithoutFramesLeavesNothing) {
  for (const std::string name : {"a.mp4", "frames"}) {
    const auto writer = video().write(dir_ / name, {25, {}});
    EXPECT_EQ(text_of(ErrorKind::kInput, [&] { writer->finish(); }),
              "output: " + path(name) + ": there was no frame to write");
  }
  EXPECT_EQ(dir_.count(), 0u);
}

TEST_F(VideoTest, OutputsThatCannotBeWrittenAreRefusedBeforeTheFirstFrame) {
  EXPECT_EQ(refusal(ErrorKind::kUsage, "a.avi"),
            "output: " + path("a.avi") + " ends in '.avi'; .mp4, .webm, .gif or a folder (no extension) is needed");
  EXPECT_EQ(refusal(ErrorKind::kInput, "none/a.mp4"),
            "output: " + path("none/a.mp4") +
                " cannot be written: No such file or directory. Check that its folder exists and may be written to");
  EXPECT_EQ(refusal(ErrorKind::kInput, "none/frames"),
            "output: " + path("none/frames") +
                " cannot be written: No such file or directory. Check that its folder exists and may be written to");
  EXPECT_EQ(refusal(ErrorKind::kUsage, "a.mp4", 0), "`fps`: 0 came; 0.01 to 240 is needed for mp4");
  EXPECT_EQ(refusal(ErrorKind::kUsage, "a.gif", 60), "`fps`: 60 came; 0.01 to 50 is needed for gif");
  std::filesystem::create_directories(dir_ / "full.mp4");
  write_file(dir_ / "full.mp4/x", "");
  EXPECT_EQ(refusal(ErrorKind::kInput, "full.mp4"), "output: '" + path("full.mp4") + "' is a folder; name a file in it");
  std::filesystem::create_directories(dir_ / "full");
  write_file(dir_ / "full/x", "");
  EXPECT_EQ(refusal(ErrorKind::kInput, "full"),
            "output: " + path("full") + " exists; name a folder that does not, or an empty one");
  std::filesystem::create_directories(dir_ / "b.part");
  write_file(dir_ / "b.part/x", "");
  EXPECT_EQ(refusal(ErrorKind::kInput, "b"),
            "output: " + path("b.part") + " holds x, which is no frame of an older run; move it away first");
  EXPECT_EQ(dir_.count(), 3u);
}

TEST_F(VideoTest, FramesOfAnotherSizeAreRefused) {
  const auto writer = video().write(dir_ / "a.mp4", {25, {}});
  writer->add(plain(64, 48, 0, 0, 0));
  EXPECT_EQ(text_of(ErrorKind::kInput, [&] { writer->add(plain(64, 50, 0, 0, 0)); }),
            "output: frame 2 is 64x50; 64x48 as the first is needed");
}

TEST_F(VideoTest, WhatIsNoVideoIsRefused) {
  const auto text = [&](const std::filesystem::path& file, const ImageLimits& limits = {}) {
    return text_of(ErrorKind::kInput, [&] { video().read(file, limits); });
  };
  write_file(dir_ / "a.mp4", std::string(5000, 'x'));
  EXPECT_EQ(text(dir_ / "a.mp4"), path("a.mp4") +
                                      ": is not a video that can be read; MP4, MOV, WebM, MKV, AVI, TS, Ogg, FLV or GIF "
                                      "is needed");
  EXPECT_THAT(text(dir_ / "none.mp4"), StartsWith(path("none.mp4") + ": cannot be opened: No such file or directory"));
  write("avc.mp4", 2, 25);
  std::string unknown = read_file(dir_ / "avc.mp4");
  for (auto at = unknown.find("avc1"); at != unknown.npos; at = unknown.find("avc1")) unknown.replace(at, 4, "zzz1");
  write_file(dir_ / "unknown.mp4", unknown);
  EXPECT_EQ(text(dir_ / "unknown.mp4"), path("unknown.mp4") + ": holds no pictures that can be decoded");
  // A playlist would make FFmpeg open what it names.
  write_file(dir_ / "list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://localhost/a.ts\n#EXT-X-ENDLIST\n");
  EXPECT_THAT(text(dir_ / "list.m3u8"), HasSubstr("is not a video that can be read"));
  EXPECT_THAT(text(EMO_SOURCE_DIR "/tests/media/fixtures/sine.ogg"), HasSubstr("holds no pictures that can be decoded"));
  write("big.mp4", 2, 25, {}, 128, 64);
  EXPECT_THAT(text(dir_ / "big.mp4", {.max_megapixels = 50, .max_side = 100}),
              HasSubstr(": has pictures of 128x64 px; at most 100 px a side and 50 megapixels are taken"));
}

// Its header says 32x32, its one frame is 4128x32.
TEST_F(VideoTest, LimitsHoldForEveryFrameWhateverTheHeaderSays) {
  const auto text = [&](const ImageLimits& limits) {
    return text_of(ErrorKind::kInput, [&] {
      Image image;
      double time_s = 0;
      video().read(EMO_SOURCE_DIR "/tests/fuzz/corpus/video/frame_larger_than_header.mpg", limits)->read(image, time_s);
    });
  };
  EXPECT_THAT(text({.max_megapixels = 0.02, .max_side = 512}),
              HasSubstr("mpg: has pictures of 4128x32 px; at most 512 px a side and 0.02 megapixels are taken"));
  EXPECT_THAT(text({.max_megapixels = 0.1}), HasSubstr("has pictures of 4128x32 px"));
  EXPECT_THAT(text({.max_side = 4127}), HasSubstr("has pictures of 4128x32 px"));
  EXPECT_EQ(text({.max_side = 4128}), "(no error)");
}

// As browsers record.
TEST_F(VideoTest, AVideoWithoutALengthIsMeasured) {
  write("a.mp4", 10, 10);
  ASSERT_EQ(ffmpeg("-i a.mp4 -c copy -f matroska -live 1 live.mkv"), 0);
  EXPECT_NEAR(video().read(dir_ / "live.mkv", {})->seconds(), 1, 1e-6);
  EXPECT_EQ(read_all(dir_ / "live.mkv").images.size(), 10u);
}

TEST_F(VideoTest, AVideoThatStartsLateLastsAsLongAsItsPictures) {
  write("a.mp4", 10, 10);
  for (const std::string name : {"late.mkv", "late.ts", "late.mp4"}) {
    ASSERT_EQ(ffmpeg("-itsoffset 5 -i a.mp4 -c copy -copyts " + name), 0);
    EXPECT_NEAR(video().read(dir_ / name, {})->seconds(), 1, 1e-3) << name;
    EXPECT_EQ(read_all(dir_ / name).times_s.at(0), 0) << name;
  }
}

// (200,64,48) and (128,128,128), at 203 cd/m2 (PQ) and 0.265 of the scene's light (HLG) for white, in BT.2020's matrix.
// Shown as they are, red would be (122,87,69) and (138,65,41), dull and green.
TEST_F(VideoTest, HdrIsBroughtToOrdinaryColours) {
  struct Case {
    const char* transfer;
    int y, u, v;
    int red, green, blue;
  };
  for (const Case& c : {Case{"smpte2084", 394, 464, 577, 200, 64, 48},
                        {"smpte2084", 440, 512, 512, 128, 128, 128},
                        {"arib-std-b67", 353, 436, 645, 200, 64, 48},
                        {"arib-std-b67", 430, 512, 512, 128, 128, 128}}) {
    std::string frame;
    const auto plane = [&](int value, int count) {
      for (int i = 0; i < count; ++i) frame += {char(value & 0xFF), char(value >> 8)};
    };
    plane(c.y, 64 * 64), plane(c.u, 32 * 32), plane(c.v, 32 * 32);
    write_file(dir_ / "hdr.raw", frame + frame);
    ASSERT_EQ(ffmpeg(std::string("-f rawvideo -pix_fmt yuv420p10le -s 64x64 -r 5 -i hdr.raw -c:v libx265 -x265-params "
                                 "log-level=none -color_primaries bt2020 -colorspace bt2020nc -color_trc ") +
                     c.transfer + " hdr.mp4"),
              0);
    const Image first = read_all(dir_ / "hdr.mp4").images.at(0);
    const auto* p = first.pixel(32, 32);
    // HLG has a gamma for the display that this leaves out, and reds begin to be rolled off: 16 levels.
    EXPECT_NEAR(p[0], c.red, 17) << c.transfer;
    EXPECT_NEAR(p[1], c.green, 17) << c.transfer;
    EXPECT_NEAR(p[2], c.blue, 17) << c.transfer;
  }
}

TEST_F(VideoTest, AVideoWithTwoSizesIsRefused) {
  write("a.mp4", 10, 10);
  write("b.mp4", 10, 10, {}, 96, 48);
  ASSERT_EQ(ffmpeg("-i a.mp4 -c copy a.ts && ffmpeg -v error -y -i b.mp4 -c copy b.ts && cat a.ts b.ts >both.ts"), 0);
  EXPECT_EQ(text_of(ErrorKind::kInput, [&] { read_all(dir_ / "both.ts"); }),
            path("both.ts") + ": changes its size or kind of picture on the way; re-encode it first");
}

TEST_F(VideoTest, ACutFileEndsOrIsRefusedButNeverHangs) {
  write("a.webm", 30, 25);
  const std::string whole = read_file(dir_ / "a.webm");
  write_file(dir_ / "cut.webm", whole.substr(0, whole.size() / 2));
  try {
    EXPECT_LT(read_all(dir_ / "cut.webm").images.size(), 30u);
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kInput);
  }
}

TEST_F(VideoTest, DescribesItself) { EXPECT_THAT(video().describe(), StartsWith("FFmpeg ")); }

}  // namespace
}  // namespace emo
