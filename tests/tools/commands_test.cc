#include <gmock/gmock.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/npy.h"
#include "engine/expression/action_units.h"
#include "engine/expression/au_file.h"
#include "engine/media/media.h"
#include "tests/close.h"
#include "tests/tools/program.h"
#include "weights/config.h"

namespace emo {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

const std::string kPhoto = "'" EMO_SOURCE_DIR "/samples/astronaut.png'";
const std::string kVoice = "'" EMO_SOURCE_DIR "/samples/angry.flac'";

class Commands : public ProgramTest {
 protected:
  Image picture(const std::string& name) const { return media().load_image(dir_ / name, {}); }
};

TEST_F(Commands, VersionAndHelpAreAnswered) {
  EXPECT_THAT(run("--version").out, StartsWith("emoengine "));
  const auto help = run("--help");
  EXPECT_EQ(help.code, 0);
  for (const char* command :
       {"run", "generate", "animate", "aus", "sweep", "strengths", "mfcc", "convert", "inspect", "doctor"}) {
    EXPECT_THAT(help.out, HasSubstr(command));
    EXPECT_EQ(run(std::string(command) + " --help").code, 0);
  }
}

TEST_F(Commands, RunChangesTheFaceAndNothingElse) {
  const auto outcome = run("run --image " + kPhoto + " --audio " + kVoice + " -o out.png --json");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto json = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(json.at("au").size(), 17u);
  EXPECT_NE(json.at("emotion").at("name"), "neutral");
  const auto& reached = json.at("reached").at(0);
  EXPECT_EQ(reached.at("passes"), 1);
  EXPECT_GT(reached.at("au").at("AU04").get<double>(), 0.1) << "an angry voice; the photo shows 0";
  for (const char* stage : {"image", "faces", "models", "audio", "speech", "redraw", "save"}) {
    EXPECT_GE(json.at("timings_ms").at(stage).get<double>(), 0) << stage;
  }
  const auto& crop = json.at("crops").at(0);
  const double side = crop.at("side"), reach = 0.4 * side;  // the skin round the face gives
  const double x = double(crop.at("x")) - reach, y = double(crop.at("y")) - reach, end = side + 2 * reach;

  const Image before = media().load_image(EMO_SOURCE_DIR "/samples/astronaut.png", {}), after = picture("out.png");
  ASSERT_EQ(after.width, before.width);
  ASSERT_EQ(after.height, before.height);
  int inside = 0, outside = 0;
  for (int py = 0; py < before.height; ++py) {
    for (int px = 0; px < before.width; ++px) {
      const bool differs = !std::equal(before.pixel(px, py), before.pixel(px, py) + 3, after.pixel(px, py));
      const bool in_box = px >= x && px <= x + end && py >= y && py <= y + end;
      (in_box ? inside : outside) += differs;
    }
  }
  EXPECT_GT(inside, 1000);
  EXPECT_EQ(outside, 0);
}

TEST_F(Commands, FaceOutputIsTheNetworksCrop) {
  ASSERT_EQ(run("run -i " + kPhoto + " -a " + kVoice + " -o face.png --output face").code, 0);
  EXPECT_EQ(picture("face.png").width, 128);
  EXPECT_EQ(picture("face.png").height, 128);
}

TEST_F(Commands, IntensityZeroIsTheNeutralFace) {
  ASSERT_EQ(run("run -i " + kPhoto + " -a " + kVoice + " -o zero.png --intensity 0").code, 0);
  ASSERT_EQ(run("generate -i " + kPhoto + " --emotion neutral -o neutral.png").code, 0);
  EXPECT_EQ(picture("zero.png").rgb, picture("neutral.png").rgb);
}

TEST_F(Commands, RelativeAddsToWhatThePhotoShows) {
  ASSERT_EQ(run("generate -i " + kPhoto + " --emotion neutral --relative -o nothing.png").code, 0);
  EXPECT_EQ(picture("nothing.png").rgb, media().load_image(EMO_SOURCE_DIR "/samples/astronaut.png", {}).rgb);
  ASSERT_EQ(run("generate -i " + kPhoto + " --emotion surprise --relative -o one.png").code, 0);
  ASSERT_EQ(run("generate -i " + kPhoto + " --emotion surprise -o absolute.png").code, 0);
  EXPECT_NE(read_file(dir_ / "one.png"), read_file(dir_ / "absolute.png"));
  ASSERT_EQ(run("generate -i " + kPhoto + " --emotion surprise --relative -o many/").code, 0);
  EXPECT_EQ(read_file(dir_ / "many/astronaut.png"), read_file(dir_ / "one.png"));
  ASSERT_EQ(run("run -i " + kPhoto + " -a " + kVoice + " --intensity 0 --emotion surprise --relative -o run.png").code, 0);
  EXPECT_EQ(read_file(dir_ / "run.png"), read_file(dir_ / "one.png"));
}

TEST_F(Commands, SameBytesAtAnyThreadCountAndRun) {
  for (const char* threads : {"1", "2", "3"}) {
    ASSERT_EQ(run("generate -i " + kPhoto + " --emotion surprise -o t" + threads + ".npy --threads " + threads).code, 0);
    EXPECT_EQ(read_file(dir_ / ("t" + std::string(threads) + ".npy")), read_file(dir_ / "t1.npy")) << threads << " threads";
  }
}

TEST_F(Commands, GenerateWritesMaskColourAndLayers) {
  const auto outcome =
      run("generate -i " + kPhoto + " --au 12=1,6=0.8 -o f.npy --save-mask m.png --save-colour c.png --dump-layers layers");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("happiness"));
  const auto face = read_npy(dir_ / "f.npy");
  EXPECT_THAT(face.shape, testing::ElementsAre(1, 3, 128, 128));
  for (const float v : face.values) ASSERT_TRUE(v >= -1 && v <= 1);
  EXPECT_EQ(read_npy(dir_ / "layers/output.npy").values, face.values);

  // The blend, recomputed from the layers' files, is the output.
  const auto colour = read_npy(dir_ / "layers/img_reg.0.npy"), mask = read_npy(dir_ / "layers/attetion_reg.0.npy");
  EXPECT_THAT(mask.shape, testing::ElementsAre(1, 1, 128, 128));
  EXPECT_EQ(colour.shape, face.shape);
  EXPECT_TRUE(exists("layers/main.0.npy"));
  EXPECT_EQ(picture("m.png").width, 128);
  for (std::size_t i = 0; i < mask.values.size(); i += 97) {
    EXPECT_NEAR(picture("m.png").rgb[3 * i], mask.values[i] * 255, 0.51);
    if (i > 5 * 97) break;
  }
  EXPECT_EQ(picture("c.png").height, 128);
}

TEST_F(Commands, CropNoneTakesTheNetworksOwnSizeAsItIs) {
  ASSERT_EQ(run("run -i " + kPhoto + " -a " + kVoice + " -o face.png --output face").code, 0);
  ASSERT_EQ(run("generate -i face.png --crop none --emotion neutral -o again.png").code, 0);
  EXPECT_EQ(picture("again.png").width, 128);
  const auto wrong = run("generate -i " + kPhoto + " --crop none --emotion neutral -o x.png");
  EXPECT_EQ(wrong.code, 3);
  EXPECT_THAT(wrong.err, HasSubstr("--crop none: the picture is 512x512; this model takes 128x128"));
}

TEST_F(Commands, AusWritesTheSameAnswerInEachFormat) {
  for (const char* name : {"a.csv", "a.json", "a.npy"}) {
    const auto outcome = run("aus --audio " + kVoice + " -o " + name);
    ASSERT_EQ(outcome.code, 0) << outcome.err;
  }
  const auto want = read_au_file(dir_ / "a.npy", default_au_names());
  ASSERT_EQ(want.rows(), 1u);
  for (const char* name : {"a.csv", "a.json"}) {
    expect_close(read_au_file(dir_ / name, default_au_names()).row(0).values(), want.row(0).values(), 1.01e-5);
  }
}

TEST_F(Commands, ASoundWithoutSpeechIsNoted) {
  const std::string header("RIFF\x24\x19\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x80\x3e\0\0\0\x7d\0\0\2\0\x10\0data\0\x19\0\0", 44);
  std::ofstream(dir_ / "silence.wav", std::ios::binary) << header + std::string(6400, '\0');
  const std::string note = "emoengine: note: silence.wav: no speech found, so the face is neutral\n";
  EXPECT_EQ(run("aus -a silence.wav").err, note);
  EXPECT_EQ(run("aus -a silence.wav --quiet").err, "");
  EXPECT_EQ(run("run -i " + kPhoto + " -a silence.wav -o out.png").err, note);
  EXPECT_EQ(run("aus -a " + kVoice).err, "");
}

TEST_F(Commands, PerFrameGivesARowAVideoFrame) {
  ASSERT_EQ(run("aus -a " + kVoice + " --per-frame --fps 30 -o a.csv").code, 0);
  const auto curve = read_au_file(dir_ / "a.csv", default_au_names());
  const auto seconds = media().load_audio(EMO_SOURCE_DIR "/samples/angry.flac", 16000, {}).seconds();
  EXPECT_EQ(curve.rows(), std::size_t(std::ceil(seconds * 30 - 1e-9)));
  EXPECT_NEAR(curve.times_s[30], 1.0, 1e-9);
  // A curve drives the generator, a row at a time.
  EXPECT_EQ(run("generate -i " + kPhoto + " --au-file a.csv --row 20 -o f.png").code, 0);
  const auto many = run("generate -i " + kPhoto + " --au-file a.csv -o g.png");
  EXPECT_EQ(many.code, 2);
  EXPECT_THAT(many.err, HasSubstr("rows; choose one with --row"));
}

TEST_F(Commands, ATableOfSeveralFacesGivesTheOneAskedFor) {
  write_file(dir_ / "t.csv", "face, confidence, AU12_r\n0, 0.9, 0.0\n1, 0.9, 5.0\n");
  const std::string generate = "generate -i " + kPhoto + " --crop face --au-file t.csv -o a.png";
  EXPECT_THAT(run(generate).err, HasSubstr("t.csv: holds the faces 0, 1; choose one, for example with --au-face 0"));
  const auto outcome = run(generate + " --au-face 1");
  EXPECT_EQ(outcome.code, 0);
  EXPECT_THAT(outcome.out, HasSubstr("AU12=1.00"));
  EXPECT_THAT(outcome.err, StartsWith("emoengine: note: t.csv: lacks AU01, AU02"));
  EXPECT_EQ(run(generate + " --au-face 1 --quiet").err, "");
}

TEST_F(Commands, AusOfAPhotosFacesDriveTheGenerator) {
  const auto printed = run("aus --image " + kPhoto);
  ASSERT_EQ(printed.code, 0) << printed.err;
  EXPECT_THAT(printed.out, StartsWith("face,confidence,AU01_r,AU02_r,"));
  EXPECT_EQ(std::ranges::count(printed.out, '\n'), 2);  // a heading and one face
  ASSERT_EQ(run("aus --image " + kPhoto + " -o a.csv").code, 0);
  EXPECT_GT(read_au_file(dir_ / "a.csv", default_au_names()).row(0).get("AU12"), 0.4f);
  EXPECT_EQ(run("generate -i " + kPhoto + " --au-file a.csv -o same.png").code, 0);
  ASSERT_EQ(run("aus --image " + kPhoto + " --neutral " + kPhoto + " -o b.csv").code, 0);
  EXPECT_EQ(read_au_file(dir_ / "b.csv", default_au_names()).row(0).norm(), 0);
}

TEST_F(Commands, AReaderOfAnotherKindIsRefusedAndNoneIsTheDetectorAlone) {
  const auto other = run("generate -i " + kPhoto + " --au 12=1 -o a.png --reader " + source("weights/speech.safetensors"));
  EXPECT_EQ(other.code, 4);
  EXPECT_THAT(other.err, HasSubstr("speech.safetensors: is a speech model; a face reader is needed"));
  EXPECT_EQ(run("generate -i " + kPhoto + " --au 12=1 -o a.png --reader none").code, 0);
  EXPECT_EQ(run("aus -i " + kPhoto + " --reader none").err, "emoengine: aus: faces cannot be read with --reader none\n");
}

TEST_F(Commands, MfccWritesFramesByFeatures) {
  ASSERT_EQ(run("mfcc -a " + kVoice + " -o m.npy").code, 0);
  const auto features = read_npy(dir_ / "m.npy");
  const auto samples = media().load_audio(EMO_SOURCE_DIR "/samples/angry.flac", 16000, {}).pcm.size();
  EXPECT_THAT(features.shape, testing::ElementsAre(std::int64_t(1 + samples / 160), 39));
}

TEST_F(Commands, InspectPrintsTheFilesOwnSettings) {
  EXPECT_THAT(run("inspect " + source("weights/reader.safetensors")).out,
              HasSubstr("motion      17 AUs move 478 landmarks and 998 triangles of a photo's own pixels\n"));
  const auto text = run("inspect " + source("weights/generator.safetensors"));
  EXPECT_EQ(text.code, 0);
  EXPECT_THAT(text.out, HasSubstr("attetion_reg.0"));
  const auto json = nlohmann::json::parse(run("inspect --json " + source("weights/speech.safetensors")).out);
  EXPECT_EQ(json.at("kind"), "speech");
  EXPECT_EQ(json.at("n_mfcc"), 39);
}

TEST_F(Commands, LiteTakesTheSmallerOfTheShippedGenerators) {
  const auto conv_dim = [&](const char* name) {
    return nlohmann::json::parse(run("inspect --json " + source(name)).out).at("conv_dim").get<int>();
  };
  EXPECT_EQ(conv_dim("weights/generator.safetensors"), 64);
  EXPECT_EQ(conv_dim("weights/generator-lite.safetensors"), 32);
  const std::string smile = "generate -i " + kPhoto + " --au 12=1 --detail network ";
  ASSERT_EQ(run(smile + "--lite -o lite.png").code, 0);
  ASSERT_EQ(run(smile + "--generator " + source("weights/generator-lite.safetensors") + " -o named.png").code, 0);
  ASSERT_EQ(run(smile + "-o full.png").code, 0);
  EXPECT_TRUE(read_file(dir_ / "lite.png") == read_file(dir_ / "named.png"));
  EXPECT_TRUE(read_file(dir_ / "lite.png") != read_file(dir_ / "full.png"));
  EXPECT_EQ(run(smile + "--lite --generator x.safetensors -o both.png").code, 2);
}

TEST_F(Commands, ResearchTakesTheOtherShippedSpeechModel) {
  const std::string aus = "aus -a " + kVoice + " -q ";
  ASSERT_EQ(run(aus + "--research -o research.csv").code, 0);
  ASSERT_EQ(run(aus + "--speech " + source("weights/speech-research.safetensors") + " -o named.csv").code, 0);
  ASSERT_EQ(run(aus + "-o free.csv").code, 0);
  EXPECT_TRUE(read_file(dir_ / "research.csv") == read_file(dir_ / "named.csv"));
  EXPECT_TRUE(read_file(dir_ / "research.csv") != read_file(dir_ / "free.csv"));
  EXPECT_EQ(run(aus + "--research --speech x.safetensors -o both.csv").code, 2);
}

TEST_F(Commands, DoctorFindsEverything) {
  const auto outcome = run("doctor");
  EXPECT_EQ(outcome.code, 0) << outcome.out;
  EXPECT_THAT(outcome.out, HasSubstr("/speech.safetensors: speech model, free for commercial use, SHA-256"));
  EXPECT_THAT(outcome.out, HasSubstr("/speech-research.safetensors: speech model, not for commercial use, SHA-256"));
  EXPECT_THAT(outcome.out, HasSubstr("all well"));
}

TEST_F(Commands, QuietPrintsNothing) {
  const auto outcome = run("run -q -i " + kPhoto + " -a " + kVoice + " -o out.png");
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.out + outcome.err, "");
}

}  // namespace
}  // namespace emo
