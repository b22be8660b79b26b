#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "base/text.h"
#include "engine/expression/au_file.h"
#include "engine/media/media.h"
#include "tests/tools/program.h"
#include "weights/config.h"

namespace emo {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

/// Two photos in p/ and two voices in v/.
class ManyInputs : public ProgramTest {
 protected:
  ManyInputs() {
    fs::create_directory(dir_ / "p");
    fs::create_directory(dir_ / "v");
    for (const char* name : {"p/a.png", "p/b.png"}) fs::copy_file(EMO_SOURCE_DIR "/samples/astronaut.png", dir_ / name);
    fs::copy_file(EMO_SOURCE_DIR "/samples/angry.flac", dir_ / "v/x.flac");
    fs::copy_file(EMO_SOURCE_DIR "/samples/happy.flac", dir_ / "v/y.flac");
  }
  std::size_t files_in(const std::string& folder) const {
    return std::size_t(std::distance(fs::directory_iterator(dir_ / folder), fs::directory_iterator()));
  }
  std::vector<std::uint8_t> pixels(const std::string& name) const { return media().load_image(dir_ / name, {}).rgb; }
};

TEST_F(ManyInputs, FoldersGiveAPictureForEachPairLikeThatOfTheTwoAlone) {
  const auto outcome = run("run -i p -a v -o out");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("out: 4 pictures, "));
  EXPECT_EQ(files_in("out"), 4u);
  ASSERT_EQ(run("run -i p/b.png -a v/y.flac -o alone.png").code, 0);
  EXPECT_EQ(pixels("out/b_y.png"), pixels("alone.png"));
  EXPECT_EQ(pixels("out/a_y.png"), pixels("alone.png"));
  EXPECT_NE(pixels("out/a_x.png"), pixels("alone.png"));
}

TEST_F(ManyInputs, ListsAndPatternsAreInputsToo) {
  ASSERT_EQ(run("run -i p/a.png p/b.png -a 'v/?.flac' -o out --output face").code, 0);
  EXPECT_EQ(files_in("out"), 4u);
  // What may hold many is many, even when it holds one.
  ASSERT_EQ(run("generate -i 'p/a*' -o one --emotion anger").code, 0);
  EXPECT_TRUE(exists("one/a.png"));
}

TEST_F(ManyInputs, AFolderTellsWhatItLeftOut) {
  for (const char* name : {"p/c.jfif", "p/d.JPE"}) fs::copy_file(dir_ / "p/a.png", dir_ / name);
  for (const char* name : {"p/.hidden", "p/notes.txt"}) write_file(dir_ / name, "no picture");
  const auto outcome = run("generate -i p -o out --emotion anger");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "emoengine: note: p: 1 file has no ending of pictures and was left out: notes.txt\n");
  EXPECT_EQ(files_in("out"), 4u);
  EXPECT_TRUE(exists("out/c.png"));  // what cannot be written as it came
  for (const char* name : {"v/1", "v/2", "v/3", "v/4", "v/5.png", "v/6"}) write_file(dir_ / name, "no sound");
  EXPECT_EQ(run("aus -a v").err,
            "emoengine: note: v: 6 files have no ending of sounds and were left out: 1, 2, 3, 4, 5.png and 1 more\n");
}

TEST_F(ManyInputs, FailedOnesAreToldTogetherAndTheOthersWritten) {
  write_file(dir_ / "p/bad.png", "this is no picture");
  write_file(dir_ / "v/bad.wav", "this is no sound");
  const auto outcome = run("run -i p -a v -o out");
  EXPECT_EQ(outcome.code, 6);
  EXPECT_THAT(outcome.err, HasSubstr("emoengine: 2 inputs or outputs failed:\n  v/bad.wav: "));
  EXPECT_THAT(outcome.err, HasSubstr("\n  p/bad.png: "));
  EXPECT_EQ(files_in("out"), 4u);
}

TEST_F(ManyInputs, ResumeLeavesOutWhatIsThere) {
  ASSERT_EQ(run("generate -i p -o out --emotion anger").code, 0);
  fs::remove(dir_ / "out/a.png");
  write_file(dir_ / "out/b.png", "kept");
  ASSERT_EQ(run("generate -i p -o out --emotion anger --resume").code, 0);
  EXPECT_TRUE(exists("out/a.png"));
  EXPECT_EQ(read_file(dir_ / "out/b.png"), "kept");
  ASSERT_EQ(run("run -i p/a.png -a v/x.flac -o out/b.png --resume").code, 0);
  EXPECT_EQ(read_file(dir_ / "out/b.png"), "kept");
  ASSERT_EQ(run("run -i p -a v -o pairs").code, 0);
  write_file(dir_ / "pairs/a_x.png", "kept");
  fs::remove(dir_ / "pairs/b_y.png");
  const auto outcome = run("run -i p -a v -o pairs --resume");
  EXPECT_THAT(outcome.out, HasSubstr("pairs: 1 picture, "));
  EXPECT_EQ(read_file(dir_ / "pairs/a_x.png"), "kept");
  EXPECT_TRUE(exists("pairs/b_y.png"));
}

TEST_F(ManyInputs, ResumeSaysWhenNothingIsLeft) {
  ASSERT_EQ(run("generate -i p -o out --emotion anger").code, 0);
  EXPECT_EQ(run("generate -i p -o out --emotion anger --resume").out, "out: written already, nothing is left to do\n");
}

// A script's pattern may match a single file; and a folder that is there is no name for a picture.
TEST_F(ManyInputs, OneOutputGoesIntoAFolderThatIsNamedAsOne) {
  ASSERT_EQ(run("run -i p/a.png -a v/x.flac -o new/").code, 0);
  EXPECT_TRUE(exists("new/a_x.png"));
  ASSERT_EQ(run("generate -i p/a.png --emotion anger -o new").code, 0);
  EXPECT_TRUE(exists("new/a.png"));
}

TEST_F(ManyInputs, AFilesNameIsNoFolderForThem) {
  const auto outcome = run("run -i p -a v -o out.png --backend cpu");
  EXPECT_EQ(outcome.code, 3);
  EXPECT_EQ(outcome.err, "emoengine: output: out.png names a file, and 4 outputs go into a folder; name one\n");
  EXPECT_FALSE(exists("out.png"));
}

TEST_F(ManyInputs, OutputsAmongTheInputsAreRefusedBeforeTheFirst) {
  ASSERT_EQ(run("generate -i p/a.png -o p/a_x.png --emotion anger").code, 0);
  const std::string before = read_file(dir_ / "p/a_x.png");
  const auto outcome = run("run -i p -a v -o p");
  EXPECT_EQ(outcome.code, 3);
  EXPECT_EQ(outcome.err, "emoengine: output: p/a_x.png is the input p/a_x.png; name another file or folder\n");
  EXPECT_TRUE(read_file(dir_ / "p/a_x.png") == before);
  EXPECT_FALSE(exists("p/b_x.png"));
}

TEST_F(ManyInputs, JsonIsALineAPicture) {
  const auto outcome = run("run -i p -a v/x.flac -o out --json");
  ASSERT_EQ(outcome.code, 0);
  const auto lines = split(trim(outcome.out), '\n');
  for (std::size_t i = 0; i < 2; ++i) {
    const auto json = nlohmann::json::parse(lines.at(i));
    EXPECT_EQ(json.at("image"), i == 0 ? "p/a.png" : "p/b.png");
    EXPECT_EQ(json.at("output"), i == 0 ? "out/a_x.png" : "out/b_x.png");
  }
}

TEST_F(ManyInputs, AusWritesATableAClip) {
  const auto outcome = run("aus -a v -o tables");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(read_au_file(dir_ / "tables/x.csv", default_au_names()).rows(), 1u);
  EXPECT_TRUE(exists("tables/y.csv"));
  EXPECT_THAT(run("aus -a v").out, HasSubstr("v/y.flac: "));
}

}  // namespace
}  // namespace emo
