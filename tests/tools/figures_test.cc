#include <gmock/gmock.h>

#include "engine/media/media.h"
#include "tests/tools/program.h"

namespace emo {
namespace {

using testing::HasSubstr;
using testing::Not;

const std::string kPhoto = "'" EMO_SOURCE_DIR "/samples/astronaut.png'";
const std::string kVoice = "'" EMO_SOURCE_DIR "/samples/angry.flac'";

constexpr int kCell = 64, kGap = 6, kMargin = 16;  // as in picture_table.cc

class Figures : public ProgramTest {
 protected:
  /// The cell in the c-th column and r-th row from the lower right corner of a figure without captions.
  std::vector<std::uint8_t> cell(const Image& figure, int c, int r) const {
    const int x = figure.width - kMargin - kCell - c * (kCell + kGap);
    const int y = figure.height - kMargin - kCell - r * (kCell + kGap);
    std::vector<std::uint8_t> pixels;
    for (int i = 0; i < kCell; ++i) pixels.insert(pixels.end(), figure.pixel(x, y + i), figure.pixel(x, y + i) + 3 * kCell);
    return pixels;
  }
  Image picture(const std::string& name) const { return media().load_image(dir_ / name, {}); }
};

TEST_F(Figures, SweepVariesEachActionUnitByItself) {
  const auto outcome = run("sweep -i " + kPhoto + " -o s.png --au 12,AU26 --steps 3 --cell 64");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("s.png: 6 faces, "));
  const Image figure = picture("s.png");
  EXPECT_EQ(cell(figure, 2, 0), cell(figure, 2, 1)) << "strength 0 is the neutral face, whatever the AU";
  EXPECT_NE(cell(figure, 1, 0), cell(figure, 2, 0));
  EXPECT_NE(cell(figure, 0, 0), cell(figure, 1, 0));
  EXPECT_NE(cell(figure, 0, 0), cell(figure, 0, 1));
}

TEST_F(Figures, StrengthsShowsThePhotoTheClipsAndTheEmotions) {
  ASSERT_EQ(
      run("strengths -i " + kPhoto + " -a " + kVoice + " " + kVoice + " --emotion anger --steps 4 -o f.png --cell 64").code,
      0);
  EXPECT_EQ(picture("f.png").width, 2 * kMargin + 5 * (kCell + kGap) - kGap);  // the photo and four strengths
  ASSERT_EQ(run("strengths -i " + kPhoto + " --emotion all --steps 1 -o all.png --cell 64").code, 0);
  EXPECT_EQ(picture("all.png").width, 2 * kMargin + 7 * (kCell + kGap) - kGap);
  ASSERT_EQ(run("strengths -i " + kPhoto + " " + kPhoto + " -a " + kVoice + " -o two.png --cell 64").code, 0);
  EXPECT_GT(picture("two.png").height, 2 * (kCell + kGap) + 2 * kMargin);
}

TEST_F(Figures, PlotLabelsTheActiveUnitsAndTheEmotion) {
  // The voice is silenced and AU12 set: one active curve, read as happiness throughout.
  const auto outcome = run("aus -a " + kVoice + " --intensity 0 --au 12=0.75 --plot p.svg --per-frame -o p.csv");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto svg = read_file(dir_ / "p.svg");
  EXPECT_THAT(svg, HasSubstr("AU12 lip corner puller"));
  EXPECT_THAT(svg, HasSubstr("happiness"));
  EXPECT_THAT(svg, HasSubstr("angry.flac"));
  EXPECT_THAT(svg, Not(HasSubstr("AU06")));
  EXPECT_TRUE(exists("p.csv"));
}

TEST_F(Figures, PlotsArePicturesOfOneSize) {
  ASSERT_EQ(run("aus -a " + kVoice + " --plot p.png").code, 0);
  EXPECT_EQ(picture("p.png").width, 1200);
  ASSERT_EQ(run("aus -a " + kVoice + " " + source("samples/happy.flac") + " --plot plots").code, 0);
  EXPECT_TRUE(exists("plots/angry.png") && exists("plots/happy.png"));
}

}  // namespace
}  // namespace emo
