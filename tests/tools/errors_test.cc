#include <gmock/gmock.h>

#include <algorithm>

#include "tests/tools/program.h"

namespace emo {
namespace {

using testing::HasSubstr;

const std::string kPhoto = "'" EMO_SOURCE_DIR "/samples/astronaut.png'";
const std::string kVoice = "'" EMO_SOURCE_DIR "/samples/angry.flac'";

/// Every refusal is one line with the right exit code, and leaves nothing behind.
class Errors : public ProgramTest {
 protected:
  void refused(const std::string& arguments, int code, const std::string& text) {
    const auto outcome = run(arguments);
    EXPECT_EQ(outcome.code, code) << arguments << "\n" << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr(text)) << arguments;
    EXPECT_THAT(outcome.err, testing::StartsWith("emoengine: ")) << arguments;
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << arguments << "\n" << outcome.err;
    EXPECT_EQ(outcome.out, "") << arguments;
    for (const auto& entry : std::filesystem::directory_iterator(dir_.path())) {
      const auto name = entry.path().filename().string();
      const bool ours = std::find(made_.begin(), made_.end(), name) != made_.end() || name == ".out" || name == ".err";
      EXPECT_TRUE(ours) << arguments << " left " << name;
    }
  }
  std::string make(const std::string& name, const std::string& bytes) {
    write_file(dir_ / name, bytes);
    made_.push_back(name);
    return name;
  }

 private:
  std::vector<std::string> made_;
};

TEST_F(Errors, WrongOptionsAreUsageErrors) {
  refused("", 2, "no command was given; see emoengine --help");
  refused("dance", 2, "dance");
  refused("run", 2, "--image is required");
  refused("run -i a.png -a b.wav -o c.png --backend tpu", 2, "--backend");
  refused("run -i a.png -a b.wav -o c.png --face 0", 2, "--face: '0' is not largest, all or a number from 1");
  refused("run -i a.png -a b.wav -o c.png --precision 2", 2, "--precision: 2 not in {auto,bf16,fp16,fp32,tf32}");
  refused("run -i a.png -a b.wav -o c.png --intensity nan", 2, "--intensity: 'nan' is not a number from 0 to 10");
  refused("run -i a.png -a b.wav -o c.png --max-megapixels nan", 2, "--max-megapixels: 'nan' is not a number");
  refused("run -i a.png -a b.wav -o c.png --max-tensors -1", 2,
          "--max-tensors: '-1' is not a whole number from 1 to 100000; see emoengine run --help");
  refused("generate -i a.png -o c.png --au 12=1 --row 2", 2, "--row requires --au-file");
  refused("generate -i " + kPhoto + " -o c.png --au 1.5=1", 2, "'1.5' is not one of this model's");
  refused("run -i a.png -a b.wav -o c.png --output face --face all", 2, "--output face writes one face");
  refused("generate -i " + kPhoto + " -o c.png", 2,
          "no expression was given; give --au, --emotion or --au-file, or several");
  refused("generate -i " + kPhoto + " -o c.png --au 12=1 --relative --reader none", 2,
          "--relative: the face reader reads what a photo shows, and none was opened; open one with --reader");
  refused("animate -i " + kPhoto + " -a " + kVoice + " -o c.mp4 --relative --reader none", 2,
          "--relative: the face reader reads what a photo shows, and none was opened; open one with --reader");
  refused("generate -i " + kPhoto + " -o c.png --au 12=1 --relative --crop none", 2,
          "--relative reads the face in a photo and draws two; leave out --crop none and --dump-layers");
  refused("generate -i " + kPhoto + " -o c.png --au 13=1", 2, "'13' is not one of this model's");
  refused("generate -i " + kPhoto + " -o c.png --emotion bliss", 2, "'bliss' is not known");
  refused("aus -a " + kVoice + " --emotion anger=2", 2, "--emotion: anger=2 is outside 0..1");
  refused("aus -a " + kVoice + " --au 4=x", 2, "--au: '4=x' cannot be read; write for example --au \"12=1,4=+0.3\"");
  refused("aus -a " + kVoice + " --intensity -1", 2, "--intensity");
  refused("generate -i " + kPhoto + " -o c.npy --face all --emotion anger", 2, "--face all goes with --output photo alone");
  refused("generate -i a.png b.png -o c --crop none --emotion anger", 2, "take one picture; give one --image");
  refused("generate -i a.png b.png -o c --face all --output face --emotion anger", 2, "--face all goes with --output photo");
  refused("generate -i a.png x/a.png -o c --emotion anger", 2, "output: a.png would be written for a.png and for x/a.png");
  refused("run -i a.png x/a.png -a b.wav -o c", 2,
          "a_b.png would be written for a.png with b.wav and for x/a.png with b.wav");
  refused("aus -a a.wav b.wav --per-frame", 2, "aus: the frames of many clips would run into each other; name a folder");
  refused("sweep -i " + kPhoto + " -o c.png --face all", 2, "--face all: one face is shown here");
  refused("sweep -i " + kPhoto + " -o c.png --au 13", 2, "'13' is not one of this model's");
  refused("sweep -i " + kPhoto + " -o c.png --steps 1", 2, "--steps");
  refused("strengths -i " + kPhoto + " -o c.png", 2, "strengths: nothing to show; give --audio, --emotion or both");
  refused("strengths -i " + kPhoto + " -o c.png --emotion anger=1", 2, "--emotion takes names alone, and 'anger=1' came");
  refused("strengths -i " + kPhoto + " -o c.png --emotion bliss", 2, "'bliss' is not known");
  refused("aus -a " + kVoice + " --plot a.pdf", 2, "output: a.pdf ends in '.pdf'; .png or .svg is needed");
  refused("aus -a " + kVoice + " --per-frame --fps 0", 2, "--fps: 0 came; more than 0");
  refused("aus", 2, "aus: nothing to read; give one of --audio, --image and --video");
  refused("aus -a a.wav -i a.png", 2, "aus: several sources came; give one of --audio, --image and --video");
  refused("aus -a a.wav --neutral a.png", 2, "aus: --neutral goes with --image or --video");
  refused("aus -i a.png --plot a.svg", 2, "aus: --plot, --per-frame and --resume go with --audio");
  refused("aus -a " + kVoice + " -o a.txt", 2, "ends in '.txt'; .csv, .json or .npy is needed");
}

TEST_F(Errors, InputsThatCannotBeUsedSayWhy) {
  refused("run -i . -a " + kVoice + " -o c.png", 3, ".: this folder holds no pictures (.png, .jpg, ");
  refused("run -i " + kPhoto + " -a . -o c", 3, ".: this folder holds no sounds (.wav, .flac, ");
  refused("run -i 'x*.png' -a " + kVoice + " -o c", 3, "x*.png: no file matches this pattern");
  make("text.png", "this is no picture");
  make("empty.png", "");
  make("text.wav", "this is no sound");
  refused("run -i missing.png -a " + kVoice + " -o c.png", 3, "missing.png: ");
  refused("run -i text.png -a " + kVoice + " -o c.png", 3, "text.png: ");
  refused("run -i empty.png -a " + kVoice + " -o c.png", 3, "empty.png: ");
  refused("run -i " + kPhoto + " -a text.wav -o c.png", 3, "text.wav: ");
  refused("run -i " + kPhoto + " -a missing.wav -o c.png", 3, "missing.wav: ");
  refused("run -i " + kPhoto + " -a " + kVoice + " -o c.png --max-megapixels 0.1", 3, "--max-megapixels");
  refused("run -i " + kPhoto + " -a " + kVoice + " -o c.png --max-image-side 100", 3, "--max-image-side");
  refused("run -i " + kPhoto + " -a " + kVoice + " -o c.png --max-audio-s 1", 3, "--max-audio-s");
  refused("run -i " + kPhoto + " -a " + kVoice + " -o c.png --face 9", 3, "face 9 was asked for, but 1 was found");
}

TEST_F(Errors, PhotoWithoutAFaceNamesWhatWasTried) {
  // A 64x64 grey picture as PPM would not be read; a BMP is a header and pixels.
  std::string bmp("BM", 2);
  const auto u32 = [&](std::uint32_t v) { bmp.append(reinterpret_cast<const char*>(&v), 4); };
  u32(54 + 64 * 64 * 3), u32(0), u32(54), u32(40), u32(64), u32(64), u32(1 | 24u << 16);
  for (int i = 0; i < 6; ++i) u32(0);
  bmp.append(64 * 64 * 3, char(128));
  make("grey.bmp", bmp);
  refused("run -i grey.bmp -a " + kVoice + " -o c.png", 3, "grey.bmp: no face was found in 64x64 px, tried ");
}

TEST_F(Errors, SharpNeedsAReader) {
  const std::string sharp = " --au 12=1 -o a.png --detail sharp";
  refused("generate -i " + kPhoto + sharp + " --reader none", 2,
          "--detail: sharp needs a face reader that says how faces move; the engine was opened without one");
  refused("generate -i " + kPhoto + " --au 12=1 -o a.png --detail sharper", 2, "--detail");
}

TEST_F(Errors, AnUnknownCommandIsNamed) { refused("runn -i a.png", 2, "'runn' is no command; see emoengine --help"); }

TEST_F(Errors, OutputsThatCannotBeWrittenSayWhy) {
  refused("run -i " + kPhoto + " -a " + kVoice + " -o nowhere/c.png", 3, "cannot be written: No such file or directory");
  refused("run -i " + kPhoto + " -a " + kVoice + " -o c.xyz", 2, "output: c.xyz ends in '.xyz'; .png, .jpg,");
  make("file", "");
  refused("generate -i " + kPhoto + " b.png -o file --emotion anger", 3,
          "output: file names a file, and 2 outputs go into a folder");
  refused("sweep -i " + kPhoto + " -o c.png --au 12 --font nowhere.ttf", 3, "nowhere.ttf: there is no such font; install ");
  refused("sweep -i " + kPhoto + " -o c.png --au 12 --font file", 3, "file: is no font that FreeType reads; name ");
  refused("aus -a " + kVoice + " --plot nowhere/a.png", 3, "cannot be written: No such file or directory");
  refused("aus -a " + kVoice + " -o /dev/full.csv/x.csv", 3, "cannot be written");
}

TEST_F(Errors, NoOutputIsWrittenOverAnInput) {
  const auto unchanged = [&](const std::string& arguments, const std::string& file) {
    const std::string before = read_file(dir_ / file);
    refused(arguments, 3, " is the input ");
    EXPECT_TRUE(read_file(dir_ / file) == before) << arguments;
  };
  make("f.png", read_file(EMO_SOURCE_DIR "/samples/astronaut.png"));
  make("v.npy", read_file(EMO_SOURCE_DIR "/samples/angry.flac"));  // what a file is does not lie in its name
  make("w.npy", read_file(EMO_SOURCE_DIR "/weights/speech.safetensors"));
  make("t.npy", "a table");
  unchanged("run -i f.png -a v.npy -o ./f.png", "f.png");
  unchanged("generate -i f.png --au 12=1 -o a.png --save-mask f.png", "f.png");
  unchanged("generate -i f.png --au-file t.npy -o t.npy", "t.npy");
  unchanged("sweep -i f.png -o f.png --au 12", "f.png");
  unchanged("strengths -i f.png --emotion anger -o f.png", "f.png");
  unchanged("mfcc -a v.npy -o v.npy", "v.npy");
  unchanged("mfcc -a " + kVoice + " --speech w.npy -o w.npy", "w.npy");
  unchanged("convert w.npy -o w.npy", "w.npy");
  unchanged("aus -a v.npy -o v.npy", "v.npy");
  refused("generate -i f.png --au 12=1 -o a.png --save-mask a.png", 2, "output: a.png would be written twice");
}

TEST_F(Errors, OutputsAreCheckedBeforeAnyIsWritten) {
  refused("generate -i " + kPhoto + " --au 12=1 --save-mask m.png -o a.xyz", 2, "output: a.xyz ends in '.xyz'");
  refused("aus -a " + kVoice + " --plot p.png -o a.xyz", 2, "output: a.xyz ends in '.xyz'; .csv, .json or .npy is needed");
  refused("mfcc -a " + kVoice + " -o a.wav", 2, "output: a.wav ends in '.wav'; .npy is needed");
  refused("sweep -i missing.png -o a.gif", 2, "output: a.gif ends in '.gif'");
}

TEST_F(Errors, ModelFilesThatCannotBeUsedSayWhy) {
  make("text.safetensors", "this is no weight file at all");
  refused("inspect missing.safetensors", 4, "missing.safetensors: cannot be opened: No such file or directory");
  refused("inspect text.safetensors", 4, "text.safetensors: ");
  refused("run -i " + kPhoto + " -a " + kVoice + " -o c.png --generator text.safetensors", 4, "text.safetensors: ");
  refused("run -i " + kPhoto + " -a " + kVoice + " -o c.png --generator " + source("weights/speech.safetensors"), 4,
          "is a speech model; a generator is needed");
  refused("aus -a " + kVoice + " --speech " + source("weights/generator.safetensors"), 4,
          "is a generator; a speech model is needed");
  refused("convert text.safetensors -o c.safetensors", 4, "text.safetensors: ");
  const auto bytes = read_file(EMO_SOURCE_DIR "/weights/speech.safetensors");
  make("cut.safetensors", bytes.substr(0, bytes.size() / 2));
  refused("aus -a " + kVoice + " --speech cut.safetensors", 4, "cut.safetensors: ");
}

TEST_F(Errors, MissingDevicesSayWhatCanBeHad) {
  refused("run -i " + kPhoto + " -a " + kVoice + " -o c.png --backend cuda", 5, "use --backend cpu");
  refused("run -i " + kPhoto + " -a " + kVoice + " -o c.png --precision fp16", 5, "fp16");
}

/// gnuplot is looked for in a folder of the test's own.
class GnuplotErrors : public Errors {
 protected:
  GnuplotErrors() { ::setenv("PATH", dir_.path().c_str(), 1); }
  ~GnuplotErrors() override { ::setenv("PATH", path_.c_str(), 1); }
  void fake(const std::string& body) {
    make("gnuplot", "#!/bin/sh\n" + body + "\n");
    std::filesystem::permissions(dir_ / "gnuplot", std::filesystem::perms::owner_all);
  }

 private:
  const std::string path_ = std::getenv("PATH");
};

TEST_F(GnuplotErrors, MissingGnuplotSaysWhatToInstall) {
  refused("aus -a " + kVoice + " --plot a.png", 5, "--plot: needs gnuplot, which is not installed; install gnuplot-nox");
}

TEST_F(GnuplotErrors, WhatGnuplotSaysIsPassedOn) {
  fake("echo 'set terminal pngcairo'; echo '  line 0: unknown terminal' >&2; exit 1");
  refused("aus -a " + kVoice + " --plot a.png", 5, "--plot: gnuplot failed:   line 0: unknown terminal");
}

TEST_F(GnuplotErrors, HalfAPlotIsNoPlot) {
  fake("exit 0");
  refused("aus -a " + kVoice + " --plot a.svg", 3, "a.svg: gnuplot could not draw all of it");
}

TEST_F(Errors, ALineBreakInAFilesNameMakesNoSecondLine) {
  refused("inspect 'two\nlines.safetensors'", 4, "two?lines.safetensors: cannot be opened");
}

TEST_F(Errors, AStdoutThatCannotBeWrittenIsSaid) {
  for (const std::string& arguments : {std::string("--version"), "inspect --json " + source("weights/speech.safetensors")}) {
    const auto outcome = run(arguments + " >/dev/full");
    EXPECT_EQ(outcome.code, 3) << arguments;
    EXPECT_EQ(outcome.err, "emoengine: stdout: cannot be written; check where it is redirected to\n") << arguments;
  }
}

TEST_F(Errors, WhatDecodersPrintIsOneNoteOrNothing) {
  // A portrait whose compressed data ends in rubbish: libjpeg says so and gives the picture.
  ASSERT_EQ(run("generate -q -i " + kPhoto + " --emotion neutral -o face.jpg").code, 0);
  std::string bytes = read_file(dir_ / "face.jpg");
  bytes.insert(bytes.size() - 2, std::string(200, 'x'));
  write_file(dir_ / "damaged.jpg", bytes);
  const std::string command = "generate --backend cpu -i damaged.jpg --emotion anger -o out.png ";
  const auto noted = run(command);
  EXPECT_EQ(noted.code, 0);
  EXPECT_THAT(noted.err,
              testing::MatchesRegex("emoengine: note: damaged.jpg is damaged and was used as far as it goes: Corrupt "
                                    "JPEG data: [0-9]+ extraneous bytes before marker 0xd9\n"));
  // The other commands that read pictures say the same, once.
  const std::string figure = " --backend cpu -i damaged.jpg -o grid.png --steps 2 ";
  for (const std::string& other : {"sweep" + figure + "--au 12", "strengths" + figure + "--emotion anger"}) {
    EXPECT_EQ(run(other).err, noted.err) << other;
  }
  EXPECT_EQ(run(command + "--quiet").err, "");
  const auto refused = run(command + "--face 9").err;
  EXPECT_THAT(refused, testing::StartsWith("emoengine: damaged.jpg: face 9"));
  EXPECT_EQ(std::count(refused.begin(), refused.end(), '\n'), 1) << refused;

  make("text.png", "this is no picture");
  const auto some = run("generate --backend cpu -i damaged.jpg text.png --emotion anger -o out");
  EXPECT_EQ(some.code, 6);
  EXPECT_THAT(some.err, testing::HasSubstr(noted.err));
  EXPECT_THAT(some.err, testing::HasSubstr("1 input or output failed:\n  text.png: "));
}

TEST_F(Errors, ClosedStandardStreamsDoNotReachTheOutput) {
  ASSERT_EQ(run("aus -a " + kVoice + " -o open.csv").code, 0);
  ASSERT_EQ(run("aus -a " + kVoice + " -o closed.csv <&- >&- 2>&-").code, 0);
  EXPECT_EQ(read_file(dir_ / "closed.csv"), read_file(dir_ / "open.csv"));
}

TEST_F(Errors, AFailedRunLeavesAnOlderOutputAlone) {
  make("c.png", "older");
  make("text.wav", "this is no sound");
  refused("run -i " + kPhoto + " -a text.wav -o c.png", 3, "text.wav: ");
  EXPECT_EQ(read_file(dir_ / "c.png"), "older");
}

}  // namespace
}  // namespace emo
