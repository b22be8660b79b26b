#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "tests/tools/program.h"

namespace emo {
namespace {

using testing::HasSubstr;

const std::string kEngine = EMO_BINARY, kPhoto = "'" EMO_SOURCE_DIR "/samples/astronaut.png'",
                  kVoice = "'" EMO_SOURCE_DIR "/samples/angry.flac'";

class Pipes : public ProgramTest {
 protected:
  /// In bash, with pipes as files; $E is the program.
  Outcome bash(const std::string& lines) const {
    write_file(dir_ / "script", "set -e -o pipefail\nE='" + kEngine + "'\n" + lines + "\n");
    return script("bash script");
  }
  std::string bytes(const std::string& name) const { return read_file(dir_ / name); }
  void same(const std::string& a, const std::string& b) const {
    EXPECT_FALSE(bytes(a).empty());
    EXPECT_TRUE(bytes(a) == bytes(b)) << a << " and " << b << " differ";
  }
};

TEST_F(Pipes, InputsAndOutputsGiveTheBytesOfFiles) {
  const auto outcome = bash("$E run -q -i " + kPhoto + " -a " + kVoice + " -o file.png\n" +       //
                            "cat " + kPhoto + " | $E run -q -i - -a " + kVoice + " -o a.png\n" +  //
                            "$E run -q -i " + kPhoto + " -a /dev/stdin -o b.png < " + kVoice + "\n" + "$E run -q -i <(cat " +
                            kPhoto + ") -a <(cat " + kVoice + ") -o c.png\n" + "cat " + kPhoto + " | $E run -i - -a " +
                            kVoice + " -o - --format png 2> said > d.png\n");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  for (const char* name : {"a.png", "b.png", "c.png", "d.png"}) same("file.png", name);
  EXPECT_THAT(bytes("said"), testing::MatchesRegex("standard output: .*\n"));
}

TEST_F(Pipes, TablesComeAndGoInEachFormat) {
  for (const std::string format : {"csv", "json", "npy"}) {
    const auto outcome =
        bash("$E aus -q -a " + kVoice + " --per-frame -o t." + format + "\n" +                            //
             "$E aus -a - --per-frame -o - --format " + format + " < " + kVoice + " 2> said > piped\n" +  //
             "$E generate -q -i " + kPhoto + " --au-file t." + format + " --row 9 -o file.png\n" +        //
             "cat piped | $E generate -q -i " + kPhoto + " --au-file - --row 9 -o - --format png > out.png\n");
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    same("t." + format, "piped");
    same("file.png", "out.png");
    EXPECT_THAT(bytes("said"), testing::MatchesRegex("standard output: [0-9]+ frames\n"));
  }
}

TEST_F(Pipes, ArraysFiguresAndVideosGoToStandardOutput) {
  const auto outcome = bash(
      "$E mfcc -q -a - -o file.npy < " + kVoice + "; $E mfcc -q -a " + kVoice + " -o - --format npy | cat > piped.npy\n" +
      "$E generate -q -i " + kPhoto + " --au 12=1 -o face.npy; $E generate -q -i - --au 12=1 -o - --format npy < " + kPhoto +
      " > piped_face.npy\n" +  //
      "$E sweep -q -i - --au 12 --steps 2 --cell 32 -o - --format jpg < " + kPhoto + " > sweep.jpg\n" +
      "printf 'AU12_r\\n0\\n5\\n' | $E animate -i " + kPhoto + " --au-file - -o - --format mp4 2> said > a.mp4\n" +
      "ffprobe -v error -show_entries stream=codec_name -of csv=p=0 a.mp4\n");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  same("file.npy", "piped.npy");
  same("face.npy", "piped_face.npy");
  EXPECT_THAT(bytes("sweep.jpg"), testing::StartsWith("\xFF\xD8\xFF"));
  EXPECT_THAT(outcome.out, HasSubstr("h264"));
  EXPECT_THAT(bytes("said"), HasSubstr("standard output: 2 frames"));
}

TEST_F(Pipes, JsonIsToldBesideAPictureOnStandardOutput) {
  const auto outcome = bash("$E run --json -i - -a " + kVoice + " -o - --format png < " + kPhoto + " 2> said > a.png");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(bytes("a.png"), testing::StartsWith("\x89PNG"));
  const auto json = nlohmann::json::parse(bytes("said"));
  EXPECT_EQ(json["image"], "standard input");
  EXPECT_EQ(json["output"], "standard output");
}

TEST_F(Pipes, RefusalsCallThemByName) {
  const auto refused = [&](const std::string& line, int code, const std::string& text) {
    const auto outcome = bash(line);
    EXPECT_EQ(outcome.code, code) << line;
    EXPECT_EQ(outcome.err, "emoengine: " + text + "\n") << line;
    EXPECT_EQ(outcome.out, "") << line;
  };
  refused("$E run -i - -a - -o a.png < " + kPhoto, 2,
          "standard input: two inputs are to come from it, and it can be read once; name a file for one");
  refused("$E run -i - -a " + kVoice + " -o a.png < /dev/null", 3,
          "standard input: is empty (0 bytes); copy or download it again");
  refused("head -c 4000 " + kPhoto + " | $E run -i - -a " + kVoice + " -o - --format png", 3,
          "standard input: the PNG picture ends early, after 4000 bytes; copy or download it again");
  refused("echo AU12_r | $E generate -i " + kPhoto + " --au-file - -o a.png", 3,
          "standard input: has no rows; at least one is needed");
  refused("$E run -i a.png -a b.wav -o -", 2,
          "-o -: what goes to standard output has no ending that says what it is; give --format with one of png, jpg, jpeg, "
          "webp, bmp, tif, tiff");
  refused("$E run -i a.png -a b.wav -o c.png --format png", 2,
          "--format says what -o - writes; a file's ending says what it is");
  refused("$E animate -i a.png -a b.wav -o -", 2,
          "-o -: one video goes to standard output; name one input, and give --format mp4, webm or gif");
  refused("$E generate -i " + kPhoto + " --au 12=1 -o - --format png > /dev/full", 3,
          "output: standard output cannot be written: No space left on device");
  refused("$E run -i " + kPhoto + " -a x.wav y.wav -o - --format png", 3,
          "output: standard output names a file, and 2 outputs go into a folder; name one");
}

}  // namespace
}  // namespace emo
