#include <gmock/gmock.h>

#include <bit>
#include <cmath>

#include "engine/expression/au_file.h"
#include "engine/media/video.h"
#include "tests/random_generator.h"
#include "tests/tools/program.h"

namespace emo {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::StartsWith;

/// Animates the sample portrait with a narrow seeded generator, so that a frame takes a few milliseconds.
class Animate : public ProgramTest {
 protected:
  void SetUp() override {
    GeneratorConfig config;
    config.conv_dim = 8, config.res_blocks = 1, config.image_size = 32;
    write_random_generator(dir_ / "narrow.safetensors", config);
    Image photo = media().load_image(EMO_SOURCE_DIR "/samples/astronaut.png", {}), face(240, 240);
    for (int y = 0; y < 240; ++y) std::copy_n(photo.pixel(100, y), 3 * 240, face.pixel(0, y));  // her head
    media().save_image(dir_ / "face.png", face);
    write_curve("curve.csv", 1.0);
  }
  /// A row of AU12 = 0.5 every 0.1 s.
  void write_curve(const std::string& name, double seconds) const {
    AuCurve curve(default_au_names(), std::vector<double>(std::size_t(std::lround(seconds * 10))));
    for (std::size_t i = 0; i < curve.rows(); ++i) {
      curve.times_s[i] = double(i) / 10.0;
      curve.set_row(i, parse_action_units("12=0.5", default_au_names()));
    }
    write_au_file(dir_ / name, curve);
  }
  Outcome animate(const std::string& arguments) const { return run("animate --generator narrow.safetensors " + arguments); }
  std::vector<Image> frames(const std::string& name) const {
    const auto reader = video().read(dir_ / name, {});
    std::vector<Image> images;
    Image image;
    double t = 0;
    while (reader->read(image, t)) images.push_back(image);
    return images;
  }

  /// Runs the ffmpeg program in the test's folder; its exit status.
  int ffmpeg(const std::string& arguments) const { return script("ffmpeg -v error -y " + arguments).code; }
  /// The sound of a video at 16 kHz, with the silence before it.
  Clip sound_of(const std::string& name) const {
    EXPECT_EQ(ffmpeg("-copyts -i " + name + " -af aresample=async=1:first_pts=0 sound.wav"), 0);
    return media().load_audio(dir_ / "sound.wav", 16000, {});
  }

  const std::string by_curve_ = "-i face.png --au-file curve.csv --fps 10 ";
};

TEST_F(Animate, ACurveMakesAsManyFramesAndNoSound) {
  for (const std::string name : {"a.mp4", "a.webm", "a.gif"}) {
    const auto outcome = animate(by_curve_ + "-o " + name);
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_THAT(outcome.out, StartsWith(name + ": 10 frames, "));
    EXPECT_THAT(outcome.out, HasSubstr("the first after "));
    EXPECT_EQ(frames(name).size(), 10u);
  }
  ASSERT_EQ(animate(by_curve_ + "-o frames").code, 0);
  EXPECT_TRUE(exists("frames/000010.png"));
  EXPECT_FALSE(exists("frames/000011.png"));
}

TEST_F(Animate, AVoiceMakesItsLengthWithSound) {
  const auto voice = source("samples/happy.flac");
  const auto outcome = animate("-i face.png -a " + voice + " --fps 5 -o a.mp4");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const double seconds = media().load_audio(EMO_SOURCE_DIR "/samples/happy.flac", 16000, {}).seconds();
  EXPECT_EQ(frames("a.mp4").size(), std::size_t(std::ceil(seconds * 5 - 1e-3)));
  EXPECT_THAT(read_file(dir_ / "a.mp4"), HasSubstr("mp4a"));
  ASSERT_EQ(animate("-i face.png --au-file curve.csv -a " + voice + " --fps 5 -o b.gif").code, 0);
}

// A click and a step of the curve, both at 1 s: the first frame that looks otherwise and the first loud sample come
// together.
TEST_F(Animate, FaceAndSoundAreInSyncWithinAFrame) {
  constexpr int kFps = 20;
  ASSERT_EQ(ffmpeg("-f lavfi -i aevalsrc=exprs='between(t\\,1\\,1.01)*0.8*sin(2000*PI*t)':s=16000:d=2 click.wav"), 0);
  AuCurve curve(default_au_names(), std::vector<double>(2 * kFps));
  for (std::size_t i = 0; i < curve.rows(); ++i) {
    curve.times_s[i] = double(i) / kFps;
    curve.set_row(i, parse_action_units(i < kFps ? "12=0" : "12=1", default_au_names()));
  }
  write_au_file(dir_ / "step.csv", curve);
  for (const std::string name : {"s.mp4", "s.webm"}) {
    ASSERT_EQ(
        animate("-i face.png --au-file step.csv -a click.wav --smooth 0 --ease 0 --blink off --fps 20 -o " + name).code, 0);
    const std::vector<Image> shown = frames(name);
    ASSERT_EQ(shown.size(), std::size_t(2 * kFps));
    const auto changed = [&](std::size_t i) {
      double sum = 0;
      for (std::size_t k = 0; k < shown[i].rgb.size(); ++k) sum += std::abs(shown[i].rgb[k] - shown[i - 1].rgb[k]);
      return sum;
    };
    std::size_t step = 1;
    for (std::size_t i = 2; i < shown.size(); ++i) step = changed(i) > changed(step) ? i : step;
    EXPECT_EQ(step, std::size_t(kFps)) << name;
    const Clip back = sound_of(name);
    const auto loud = std::ranges::find_if(back.pcm, [](float v) { return std::abs(v) > 0.2f; }) - back.pcm.begin();
    EXPECT_NEAR(double(loud) / back.sample_rate_hz, 1.0, 0.01) << name;
  }
}

// The sound in the file is the clip's: a lossy codec's correlation with it, at no lag, is near 1.
TEST_F(Animate, TheSoundIsTheClips) {
  const Clip clip = media().load_audio(EMO_SOURCE_DIR "/samples/happy.flac", 16000, {});
  for (const std::string name : {"v.mp4", "v.webm"}) {
    ASSERT_EQ(animate("-i face.png --au-file curve.csv -a " + source("samples/happy.flac") + " --fps 2 -o " + name).code, 0);
    const Clip back = sound_of(name);
    EXPECT_NEAR(back.seconds(), clip.seconds(), 0.04) << name;
    double both = 0, one = 0, other = 0;
    for (std::size_t i = 0; i < std::min(clip.pcm.size(), back.pcm.size()); ++i) {
      both += double(clip.pcm[i]) * back.pcm[i];
      one += double(clip.pcm[i]) * clip.pcm[i], other += double(back.pcm[i]) * back.pcm[i];
    }
    EXPECT_GT(both / std::sqrt(one * other), 0.97) << name;
  }
}

int largest_difference(const Image& a, const Image& b) {
  int most = 0;
  for (std::size_t i = 0; i < a.rgb.size(); ++i) most = std::max(most, std::abs(a.rgb[i] - b.rgb[i]));
  return most;
}

// What `aus` writes drives the face as the voice itself does: to the last pixel but for the table's four decimals.
TEST_F(Animate, TheVoicesOwnCurvePlaysBackTheSame) {
  const auto voice = source("samples/happy.flac");
  ASSERT_EQ(run("aus -a " + voice + " --per-frame --fps 5 -o voice.csv").code, 0);
  ASSERT_EQ(animate("-i face.png -a " + voice + " --fps 5 -o a").code, 0);
  ASSERT_EQ(animate("-i face.png --au-file voice.csv --fps 5 -o b").code, 0);
  for (const char* frame : {"/000001.png", "/000004.png", "/000007.png"}) {
    const Image a = media().load_image(dir_ / ("a" + std::string(frame)), {});
    const Image b = media().load_image(dir_ / ("b" + std::string(frame)), {});
    EXPECT_LE(largest_difference(a, b), 1) << frame;
  }
  EXPECT_EQ(exists("a/000012.png"), exists("b/000012.png"));
}

TEST_F(Animate, WithoutLipsTheVoiceMovesTheFaceAsATableWithoutThem) {
  const auto voice = source("samples/happy.flac");
  ASSERT_EQ(run("aus -a " + voice + " --per-frame --fps 5 --lips 0 -o still.csv").code, 0);
  ASSERT_EQ(animate("-i face.png -a " + voice + " --fps 5 --lips 0 -o still").code, 0);
  ASSERT_EQ(animate("-i face.png -a " + voice + " --fps 5 -o spoken").code, 0);
  ASSERT_EQ(animate("-i face.png --au-file still.csv --lips 0 --fps 5 -o table").code, 0);
  const auto frame = [&](const char* folder) { return media().load_image(dir_ / folder / "000004.png", {}); };
  EXPECT_NE(frame("spoken").rgb, frame("still").rgb);
  EXPECT_LE(largest_difference(frame("table"), frame("still")), 1);
}

TEST_F(Animate, FramesOutsideTheFaceAreThePhotosOwnAndItMoves) {
  ASSERT_EQ(animate(by_curve_ + "-o a").code, 0);
  const Image photo = media().load_image(dir_ / "face.png", {}), first = media().load_image(dir_ / "a/000001.png", {}),
              middle = media().load_image(dir_ / "a/000005.png", {});
  EXPECT_NE(first.rgb, middle.rgb);
  EXPECT_TRUE(std::equal(photo.pixel(0, 239), photo.pixel(0, 239) + 30, middle.pixel(0, 239)));
  ASSERT_EQ(run("generate --generator narrow.safetensors -i face.png --emotion neutral -o neutral.png").code, 0);
  EXPECT_EQ(first.rgb, media().load_image(dir_ / "neutral.png", {}).rgb);  // eased in
}

TEST_F(Animate, AVideosFaceIsFollowed) {
  ASSERT_EQ(animate(by_curve_ + "-o v.mp4").code, 0);
  const auto outcome = animate("--video v.mp4 --emotion surprise -o again.mp4");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(frames("again.mp4").size(), 10u);
}

TEST_F(Animate, WhatDrivesTheFaceIsNamed) {
  ASSERT_EQ(animate(by_curve_ + "-o v.mp4").code, 0);
  EXPECT_THAT(
      animate("--video v.mp4 -o a.mp4").err,
      HasSubstr("v.mp4: has no sound, and nothing else says how its face looks; give --audio, --au-file, --emotion"));
  EXPECT_THAT(animate(by_curve_ + "--format gif -o a.mp4").err, HasSubstr("--format is of many videos; the ending of -o"));
  EXPECT_THAT(animate("--video face.png --emotion anger --relative -o a.mp4").err,
              HasSubstr("--relative goes with --image"));
  EXPECT_FALSE(exists("a.mp4"));
}

TEST_F(Animate, SizeIsTheLongSide) {
  ASSERT_EQ(ffmpeg("-i face.png -vf scale=500:500,pad=1000:500 wide.png"), 0);
  write_curve("short.csv", 0.2);
  const std::string wide = "-i wide.png --au-file short.csv --fps 10 ";
  const auto sides = [&](const std::string& name) { return std::pair(frames(name)[0].width, frames(name)[0].height); };

  ASSERT_EQ(animate(wide + "--size 300 -o a.mp4").code, 0);
  EXPECT_EQ(sides("a.mp4"), std::pair(300, 150));
  ASSERT_EQ(animate(wide + "--size 3000 -o b.mp4").code, 0);
  EXPECT_EQ(sides("b.mp4"), std::pair(1000, 500));
  ASSERT_EQ(animate("--video b.mp4 --au-file short.csv --size 500 -o c.mp4").code, 0);
  EXPECT_EQ(sides("c.mp4"), std::pair(500, 250));

  const auto gif = animate(wide + "-o d.gif");
  EXPECT_EQ(sides("d.gif"), std::pair(480, 240));
  EXPECT_THAT(gif.err, HasSubstr("wide.png: its long side of 1000 px becomes 480 in d.gif; --size 1000 keeps it"));
  const auto again = animate("--video b.mp4 --au-file short.csv -o e.gif");
  EXPECT_EQ(sides("e.gif"), std::pair(480, 240));
  EXPECT_THAT(again.err, HasSubstr("b.mp4: its long side of 1000 px becomes 480"));
}

TEST_F(Animate, AVideosOwnSoundDrivesItsFace) {
  ASSERT_EQ(ffmpeg("-loop 1 -r 5 -i face.png -i " + source("samples/happy.flac") + " -t 3 -c:v libx264 -c:a aac v.mp4"), 0);
  const auto own = animate("--video v.mp4 --blink off -o own.mp4");
  ASSERT_EQ(own.code, 0) << own.err;
  EXPECT_THAT(own.err, HasSubstr("note: v.mp4: its own sound drives the face\n"));
  ASSERT_EQ(animate("--video v.mp4 --audio v.mp4 --blink off -o given.mp4").code, 0);
  const auto a = frames("own.mp4"), b = frames("given.mp4");
  ASSERT_EQ(a.size(), frames("v.mp4").size());
  ASSERT_LE(b.size(), a.size());
  for (std::size_t i = 0; i + 3 < b.size(); ++i) {  // the ends may be eased at different times
    double apart = 0;
    for (std::size_t at = 0; at < a[i].rgb.size(); ++at) apart += std::abs(double(a[i].rgb[at]) - double(b[i].rgb[at]));
    EXPECT_LT(apart / double(a[i].rgb.size()), 1) << i;  // another length of sound moves its frames by less than 1 ms
  }
  EXPECT_EQ(animate("--video v.mp4 --emotion anger -o a.mp4").err, "");
}

TEST_F(Animate, ATableOfOneRowHoldsForAllTheSoundOrVideo) {
  write_curve("one.csv", 0.1);
  EXPECT_THAT(animate("-i face.png --au-file one.csv -o a.mp4").err,
              HasSubstr("one.csv: has one row, which is no movement; "));
  ASSERT_EQ(animate(by_curve_ + "-o v.mp4").code, 0);
  ASSERT_EQ(animate("--video v.mp4 --au-file one.csv -o a.mp4").code, 0);
  EXPECT_EQ(frames("a.mp4").size(), 10u);
}

TEST_F(Animate, WhatIsLeftOutOfTheLongerIsTold) {
  ASSERT_EQ(animate(by_curve_ + "-o v.mp4").code, 0);
  write_curve("short.csv", 0.5);
  write_curve("long.csv", 3.5);
  EXPECT_THAT(animate("--video v.mp4 --au-file short.csv -o a.mp4").out,
              HasSubstr("; ends with the table, 0.5 s of the video left out"));
  EXPECT_THAT(animate("--video v.mp4 --au-file long.csv -o a.mp4").out,
              HasSubstr("; ends with the video, 2.5 s of the table left out"));
}

TEST_F(Animate, AVideoKeepsItsSound) {
  ASSERT_EQ(animate("-i face.png --au-file curve.csv -a " + source("samples/happy.flac") + " --fps 2 -o v.mp4").code, 0);
  ASSERT_EQ(animate("--video v.mp4 --emotion surprise -o again.mp4").code, 0);
  EXPECT_NEAR(sound_of("again.mp4").seconds(), sound_of("v.mp4").seconds(), 0.1);
}

TEST_F(Animate, AnInputIsNeverTheOutput) {
  ASSERT_EQ(animate(by_curve_ + "-o v.mp4").code, 0);
  fs::copy_file(dir_ / "v.mp4", dir_ / "a.part.mp4");  // as an interrupted run leaves it
  const std::string before = read_file(dir_ / "v.mp4");
  EXPECT_EQ(animate("--video v.mp4 --emotion anger -o v.mp4").err,
            "emoengine: output: v.mp4 is the input v.mp4; name another file or folder\n");
  EXPECT_EQ(animate("--video a.part.mp4 --emotion anger -o a.mp4").code, 3);
  EXPECT_EQ(read_file(dir_ / "v.mp4"), before);
  EXPECT_EQ(read_file(dir_ / "a.part.mp4"), before);
}

TEST_F(Animate, ACutVideoIsSaidToBe) {
  ASSERT_EQ(animate("-i face.png --au-file curve.csv --fps 10 -o v.mp4").code, 0);
  ASSERT_EQ(ffmpeg("-stream_loop 4 -i v.mp4 -c copy long.mkv"), 0);
  const std::string whole = read_file(dir_ / "long.mkv");
  write_file(dir_ / "cut.mkv", whole.substr(0, whole.size() / 2));
  const auto outcome = animate("--video cut.mkv --emotion anger -o a.mp4");
  EXPECT_EQ(outcome.code, 0);
  EXPECT_THAT(outcome.err, HasSubstr("note: cut.mkv: ends after "));
}

TEST_F(Animate, FoldersOfFramesMayHaveDotsInTheirNames) {
  fs::create_directory(dir_ / "p");
  fs::copy_file(dir_ / "face.png", dir_ / "p/a.b.png");
  const auto outcome = animate("-i p --au-file curve.csv --fps 5 --format png -o out");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_TRUE(exists("out/a.b/000001.png"));
  EXPECT_EQ(animate("-i p --au-file curve.csv --fps 5 --format png -o out --resume").out,
            "out: written already, nothing is left to do\n");
}

TEST_F(Animate, RelativeToAPhotoItRestsInThePhotosOwnExpression) {
  write_file(dir_ / "rise.csv", "timestamp,AU26_r\n0,0\n0.2,0\n0.4,5\n");
  const auto outcome = run("animate -i face.png --au-file rise.csv --fps 5 --blink off --ease 0 --relative -o out");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Image photo = media().load_image(dir_ / "face.png", {});
  EXPECT_EQ(media().load_image(dir_ / "out/000001.png", {}).rgb, photo.rgb);
  EXPECT_NE(media().load_image(dir_ / "out/000003.png", {}).rgb, photo.rgb);
}

TEST_F(Animate, FramesWithoutAFaceFollowNoFace) {
  Image wall(240, 240);  // of two colours
  for (int i = 0; i < 240 * 240; ++i) {
    const std::uint8_t left[] = {200, 150, 120}, right[] = {90, 110, 160};
    std::ranges::copy(i % 240 < 120 ? left : right, &wall.rgb[std::size_t(3 * i)]);
  }
  {
    const auto writer = video().write(dir_ / "v.mp4", {5, {}});
    const Image face = media().load_image(dir_ / "face.png", {});
    for (int i = 0; i < 6; ++i) writer->add(i < 3 ? face : wall);
    writer->finish();
  }
  const auto refused = animate("--video v.mp4 --emotion surprise -o a.mp4");
  EXPECT_EQ(refused.code, 3);
  EXPECT_EQ(refused.err,
            "emoengine: v.mp4: no face was found at 0.60 s; use --no-face skip to leave such frames as they are, or "
            "--no-face hold to go on where it was\n");
  EXPECT_FALSE(exists("a.mp4"));
  const auto skipped = animate("--video v.mp4 --emotion surprise --no-face skip -o skip");
  ASSERT_EQ(skipped.code, 0) << skipped.err;
  EXPECT_THAT(skipped.out, HasSubstr("; no face in 3 of them"));
  ASSERT_EQ(animate("--video v.mp4 --emotion surprise --no-face hold -o hold").code, 0);
  const auto change = [&](const std::string& frame) {
    const Image image = media().load_image(dir_ / frame, {});
    int most = 0;
    for (std::size_t i = 0; i < wall.rgb.size(); ++i) most = std::max(most, std::abs(image.rgb[i] - wall.rgb[i]));
    return most;
  };
  EXPECT_LT(change("skip/000005.png"), 8);   // as it came
  EXPECT_GT(change("hold/000005.png"), 20);  // a face drawn where it was
}

// A file's own word on its length would otherwise be enough to fill a disk.
TEST_F(Animate, AVideoEndsWithItsFramesWhateverItSays) {
  ASSERT_EQ(animate("-i face.png --au-file curve.csv --fps 10 -o v.mp4").code, 0);
  ASSERT_EQ(ffmpeg("-i v.mp4 -c copy v.mkv"), 0);
  const auto claiming = [&](double seconds) {
    std::string file = read_file(dir_ / "v.mkv");
    const auto at = file.find("\x44\x89\x88");  // Duration, 8 bytes: a double in ms
    const auto bits = std::bit_cast<std::uint64_t>(seconds * 1000);
    for (std::size_t i = 0; i < 8; ++i) file.at(at + 3 + i) = char(bits >> (56 - 8 * i));
    write_file(dir_ / "says.mkv", file);
    return animate("--video says.mkv --emotion anger -o a.mp4");
  };
  const auto outcome = claiming(500);
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NEAR(double(frames("a.mp4").size()), 10 + 10, 1);  // its frames, the last for a second
  EXPECT_EQ(claiming(5000).err,
            "emoengine: says.mkv: lasts 5000 s; at most 600 s are taken. Cut it, or raise --max-audio-s\n");
}

TEST_F(Animate, SoundBeyondFullScaleIsTurnedDownNotCut) {
  ASSERT_EQ(ffmpeg("-f lavfi -i sine=220:sample_rate=48000:duration=1 -af volume=1000 -c:a pcm_f32le loud.wav"), 0);
  const auto outcome = animate("-i face.png -a loud.wav -o a.mp4");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, testing::HasSubstr("where full scale is 1; the video's sound is turned down to it"));
  double peak = 0, sum_sq = 0;
  const Clip sound = sound_of("a.mp4");
  for (const float x : sound.pcm) peak = std::max(peak, std::abs(double(x))), sum_sq += double(x) * x;
  EXPECT_NEAR(peak, 1, 0.1);
  EXPECT_NEAR(std::sqrt(sum_sq / double(sound.pcm.size())), std::sqrt(0.5), 0.05);  // a sine, not a square
}

TEST_F(Animate, AnInterruptedRunKeepsAPartThatPlays) {
  write_curve("long.csv", 500);
  const auto outcome = script(
      EMO_BINARY
      " animate --generator narrow.safetensors -i face.png --au-file long.csv --fps 25 -o a.mp4 2>int.err & p=$!; "
      "for i in $(seq 200); do sleep 0.1; [ $(stat -c %s a.part.mp4 2>/dev/null || echo 0) -gt 2000 ] && break; done; "
      "kill -TERM $p; wait $p");  // a shell starts what goes to the background with SIGINT ignored
  EXPECT_EQ(outcome.code, 143);
  EXPECT_FALSE(exists("a.mp4"));
  // A build for GPUs adds a note where there is none.
  EXPECT_THAT(
      read_file(dir_ / "int.err"),
      testing::ContainsRegex(
          "^emoengine: interrupted after [0-9]+ of 12499 frames; a.part.mp4 plays up to there, till the next run\n"));
  EXPECT_GT(frames("a.part.mp4").size(), 10u);
}

TEST_F(Animate, AnInterruptedBatchStillTellsWhatFailed) {
  write_curve("long.csv", 500);
  fs::create_directory(dir_ / "p");
  write_file(dir_ / "p/a.png", "this is no picture");
  fs::copy_file(dir_ / "face.png", dir_ / "p/b.png");
  const auto outcome = script(
      EMO_BINARY
      " animate --generator narrow.safetensors -i p --au-file long.csv --fps 25 -o out 2>int.err & p=$!; "
      "for i in $(seq 200); do sleep 0.1; [ $(stat -c %s out/b.part.mp4 2>/dev/null || echo 0) -gt 2000 ] && break; done; "
      "kill -TERM $p; wait $p");
  EXPECT_EQ(outcome.code, 143);
  EXPECT_THAT(read_file(dir_ / "int.err"), testing::AllOf(HasSubstr("emoengine: interrupted after "),
                                                          HasSubstr("1 input or output failed:\n  p/a.png: ")));
}

TEST_F(Animate, AFullDiskLeavesNoWholeVideo) {
  // A limit of 8 blocks of 512 bytes stands for the disk's end; ignored, the signal becomes an error.
  const auto outcome = script("trap '' XFSZ; ulimit -f 8; " EMO_BINARY
                              " animate --generator narrow.safetensors -i face.png --au-file curve.csv --fps 100 -o a.mp4");
  EXPECT_EQ(outcome.code, 3);
  EXPECT_EQ(outcome.err, "emoengine: output: a.mp4 cannot be written: File too large; what was done stays in a.part.mp4\n");
  EXPECT_FALSE(exists("a.mp4"));
}

// 590 more frames of 240 x 240 would be 102 MB.
TEST_F(Animate, PicturesTakeNoMoreMemoryInFiveMinutesThanInTenSeconds) {
  const auto peak_kb = [&](const std::string& seconds) {
    write_curve("c.csv", std::stod(seconds));
    // The address sanitizer would keep freed frames.
    const auto outcome = script("ASAN_OPTIONS=$ASAN_OPTIONS:quarantine_size_mb=1 " EMO_BINARY
                                " animate --generator narrow.safetensors -i face.png --au-file c.csv --fps 2 -o m" +
                                seconds + ".mp4");
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return outcome.peak_kb;
  };
  const long shorter = peak_kb("10"), longer = peak_kb("300");
  EXPECT_GT(shorter, 10'000);
  EXPECT_LT(longer, shorter + 10'000);
}

#ifndef __SANITIZE_ADDRESS__  // whose own memory comes on top
// With a voice what grows is the sound, by 48 and 16 thousand floats a second, and the features, by 100 times 39.
TEST_F(Animate, AVoiceOfTenMinutesTakesUnder500Megabytes) {
  ASSERT_EQ(ffmpeg("-f lavfi -i sine=220:sample_rate=16000:duration=600 v.wav"), 0);
  const auto outcome = animate("-i face.png -a v.wav --fps 0.1 -o v.mp4");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(frames("v.mp4").size(), 60u);
  EXPECT_LT(outcome.peak_kb, 500'000);
}
#endif

TEST_F(Animate, ManyPhotosAndVoicesMakeAVideoEach) {
  fs::create_directory(dir_ / "p");
  fs::copy_file(dir_ / "face.png", dir_ / "p/a.png");
  fs::copy_file(dir_ / "face.png", dir_ / "p/b.png");
  write_file(dir_ / "p/bad.png", "this is no picture");
  const auto voices = source("samples/happy.flac") + " " + source("samples/sad.flac");
  const std::string many = "-i p -a " + voices + " --fps 2 --format gif --backend cpu -o out";
  EXPECT_THAT(animate(many + ".gif").err,
              HasSubstr("output: out.gif names a file, and 6 outputs go into a folder; name one"));
  const auto outcome = animate(many);
  EXPECT_EQ(outcome.code, 6);
  EXPECT_THAT(outcome.err, StartsWith("emoengine: 2 inputs or outputs failed:\n  p/bad.png: "));
  EXPECT_THAT(outcome.out, HasSubstr("out/b_sad.gif: "));
  ASSERT_EQ(animate("-i p/a.png -a " + source("samples/sad.flac") + " --fps 2 -o alone.gif").code, 0);
  EXPECT_EQ(read_file(dir_ / "out/a_sad.gif"), read_file(dir_ / "alone.gif"));
  EXPECT_EQ(read_file(dir_ / "out/b_sad.gif"), read_file(dir_ / "alone.gif"));
  EXPECT_NE(read_file(dir_ / "out/a_happy.gif"), read_file(dir_ / "alone.gif"));

  write_file(dir_ / "out/a_sad.gif", "kept");
  fs::remove(dir_ / "out/b_sad.gif");
  const auto resumed = animate(many + " --resume");
  EXPECT_EQ(resumed.code, 6);  // the bad one is still bad
  EXPECT_THAT(resumed.out, testing::Not(HasSubstr("a_sad")));
  EXPECT_EQ(read_file(dir_ / "out/a_sad.gif"), "kept");
  EXPECT_EQ(read_file(dir_ / "out/b_sad.gif"), read_file(dir_ / "alone.gif"));
}

TEST_F(Animate, ManyVideosAndCurvesToo) {
  fs::create_directory(dir_ / "v");
  for (const std::string name : {"v/one.mp4", "v/two.mp4"}) {
    ASSERT_EQ(animate("-i face.png --au-file curve.csv --fps 5 -o " + name).code, 0);
  }
  const auto outcome = animate("--video v --emotion surprise --format png -o out");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_TRUE(exists("out/one/000005.png") && exists("out/two/000005.png"));
  ASSERT_EQ(animate("-i 'face*' --au-file curve.csv --fps 5 -o curves").code, 0);
  EXPECT_EQ(frames("curves/face.mp4").size(), 6u);  // the last row is at 0.9 s
  EXPECT_THAT(animate("--video out --emotion anger -o x").err,
              StartsWith("emoengine: out: this folder holds no videos (.mp4,"));
}

TEST_F(Animate, RefusalsAreOneLine) {
  const auto err = [&](int code, const std::string& arguments) {
    const auto outcome = animate(arguments);
    EXPECT_EQ(outcome.code, code) << arguments << ": " << outcome.err;
    return outcome.err;
  };
  EXPECT_EQ(err(2, "-a x.wav -o a.mp4"), "emoengine: animate: give one of --image and --video\n");
  EXPECT_EQ(err(2, "-i face.png --emotion anger -o a.mp4"),
            "emoengine: animate: nothing says how a photo moves; give --audio, --drive or --au-file\n");
  EXPECT_EQ(err(2, "--video v.mp4 --face 2 -o a.mp4"),
            "emoengine: --face goes with --image; in a video the largest face of the first frame is followed\n");
  EXPECT_EQ(err(2, "-i face.png --au-file curve.csv --fps 0 -o a.mp4"),
            "emoengine: --fps: '0' is not a number from 0.01 to 240; see emoengine animate --help\n");
  EXPECT_EQ(err(2, by_curve_ + "--lips 3 -o a.mp4"),
            "emoengine: --lips: '3' is not a number from 0 to 2; see emoengine animate --help\n");
  EXPECT_THAT(err(2, "-i face.png --drive v.mp4 --lips 1 -o a.mp4"), HasSubstr("--drive excludes --lips"));
  EXPECT_THAT(err(2, by_curve_ + "-o a.avi"), HasSubstr("ends in '.avi'; .mp4, .webm, .gif or a folder"));
  EXPECT_THAT(err(3, by_curve_ + "-o none/a.mp4"), HasSubstr("cannot be written: No such file or directory"));
  write_file(dir_ / "bad.csv", "frame,timestamp,smile\n1,0,1\n");
  EXPECT_THAT(err(3, "-i face.png --au-file bad.csv -o a.mp4"), StartsWith("emoengine: bad.csv: has none of"));
  write_curve("long.csv", 700);
  EXPECT_EQ(err(3, "-i face.png --au-file long.csv --fps 10 -o a.mp4"),
            "emoengine: long.csv: lasts 700 s; at most 600 s are taken. Cut it, or raise --max-audio-s\n");
  write_file(dir_ / "empty.wav",
             std::string("RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x80\x3e\0\0\0\x7d\0\0\2\0\x10\0data\0\0\0\0", 44));
  EXPECT_THAT(err(3, "-i face.png -a empty.wav -o a.mp4"), StartsWith("emoengine: empty.wav: "));
  EXPECT_FALSE(exists("a.mp4"));
  EXPECT_FALSE(exists("a.part.mp4"));
}

TEST_F(Animate, ProgressIsShownOnATerminalAlone) {
  write_curve("long.csv", 30);
  const std::string command =
      "animate --backend cpu --generator narrow.safetensors -i face.png --au-file long.csv --fps 10 -o a.mp4";
  const auto terminal = script("TERM=xterm script -qec '" EMO_BINARY " " + command + "' typescript");
  EXPECT_EQ(terminal.code, 0);
  EXPECT_THAT(terminal.out, testing::ContainsRegex("\ranimate: [0-9]+ of 300 frames, [0-9.]+/s, [0-9]+ s left"));
  EXPECT_EQ(run(command).err, "");  // a log gets a line every 10 s
}

TEST_F(Animate, QuietPrintsNothing) {
  const auto outcome = animate(by_curve_ + "-q -o a.mp4");
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.out + outcome.err, "");
}

TEST_F(Animate, AnotherFaceDrivesAPhotosFaceAndBringsItsSound) {
  const std::string photo = " -i " + source("samples/astronaut.png"), voice = " -a " + source("samples/happy.flac"),
                    how = " --lite --size 256 --fps 5 -o ";
  ASSERT_EQ(run("animate" + photo + voice + how + "actor.mp4").code, 0);
  const auto driven = run("animate" + photo + " --drive actor.mp4" + how + "driven.mp4");
  ASSERT_EQ(driven.code, 0) << driven.err;
  EXPECT_FALSE(media().load_video_sound(dir_ / "driven.mp4", 16'000, {}).pcm.empty());
  EXPECT_EQ(run("animate" + photo + voice + " --drive actor.mp4 --neutral-at 0" + how + "other.mp4").code, 0);

  EXPECT_THAT(run("animate" + photo + " --drive actor.mp4 --reader none" + how + "no.mp4").err,
              HasSubstr("--drive: the face reader reads the driver's face; leave --reader none away"));
  EXPECT_THAT(run("animate" + photo + " --drive actor.mp4 --au-file a.csv" + how + "no.mp4").err,
              HasSubstr("give one of --au-file and --drive"));
  ASSERT_EQ(ffmpeg("-f lavfi -i color=gray:s=128x128:d=0.4 wall.mp4"), 0);
  const auto wall = run("animate" + photo + " --drive wall.mp4" + how + "no.mp4");
  EXPECT_EQ(wall.code, 3);
  EXPECT_THAT(wall.err,
              HasSubstr("wall.mp4: no face was found in its 10 frames; use a video that shows a face from the front"));
  EXPECT_FALSE(std::filesystem::exists(dir_ / "no.mp4"));
}

TEST_F(Animate, FramesWithoutADriverAreToldAndMayBeRefused) {
  const std::string photo = " -i " + source("samples/astronaut.png"), voice = " -a " + source("samples/happy.flac"),
                    how = " --lite --size 256 --fps 5 -o ";
  ASSERT_EQ(run("animate" + photo + voice + how + "actor.mp4").code, 0);
  ASSERT_EQ(ffmpeg("-i actor.mp4 -f lavfi -i color=gray:s=256x256:r=5:d=1 -filter_complex "
                   "'[0:v]setsar=1[a];[1:v]setsar=1[b];[a][b]concat=n=2:v=1[v]' -map '[v]' leaves.mp4"),
            0);
  const auto driven = [&](const std::string& options, const std::string& out) {
    return run("animate" + photo + " --drive leaves.mp4" + options + how + out);
  };
  const auto held = driven("", "held.mp4"), skipped = driven(" --no-face skip", "skipped.mp4");
  EXPECT_THAT(held.err, HasSubstr("leaves.mp4: no face in 5 of 24 frames; what lies around drives there"));
  EXPECT_THAT(skipped.err, HasSubstr("leaves.mp4: no face in 5 of 24 frames; the face is neutral there"));
  const auto refused = driven(" --no-face error", "no.mp4");
  EXPECT_EQ(refused.code, 3);
  EXPECT_THAT(refused.err, HasSubstr("leaves.mp4: no face was found at 3.8 s; use --no-face skip"));
  EXPECT_FALSE(std::filesystem::exists(dir_ / "no.mp4"));
}

}  // namespace
}  // namespace emo
