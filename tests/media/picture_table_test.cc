#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "engine/media/media.h"
#include "tests/temp_dir.h"
#include "tests/throws.h"

namespace emo {
namespace {

Image plain(int width, int height, std::uint8_t red, std::uint8_t green, std::uint8_t blue) {
  Image image(width, height);
  for (std::size_t i = 0; i < image.rgb.size(); i += 3)
    image.rgb[i] = red, image.rgb[i + 1] = green, image.rgb[i + 2] = blue;
  return image;
}

PictureTable sample() {
  PictureTable table{.columns = {"0", "1"}, .cell_px = 100};
  table.rows.push_back({"AU12 lip corner puller", {{plain(50, 50, 200, 30, 30), {}}, {plain(40, 80, 30, 160, 30), {}}}});
  table.rows.push_back({"", {{}, {plain(7, 7, 30, 30, 200), {"anger 0.84", "a caption far too long for its cell"}}}});
  return table;
}

/// fixtures/table.png was drawn by draw_table and looked at.
TEST(PictureTable, LooksAsItDid) {
  const Image drawn = media().draw_table(sample());
  const Image golden = media().load_image(EMO_SOURCE_DIR "/tests/media/fixtures/table.png", {});
  ASSERT_EQ(drawn.width, golden.width);
  ASSERT_EQ(drawn.height, golden.height);
  double sum = 0;
  for (std::size_t i = 0; i < drawn.rgb.size(); ++i) sum += std::abs(drawn.rgb[i] - golden.rgb[i]);
  // Letters cover some 3 % of it; another FreeType smooths their edges a little differently.
  EXPECT_LT(sum / double(drawn.rgb.size()), 0.5);
}

TEST(PictureTable, PicturesKeepTheirProportionsAndColours) {
  const Image drawn = media().draw_table(sample());
  const int x = drawn.width - 16 - 50, y = 16 + 20 + 50;  // the middle of the upper right cell
  EXPECT_THAT(std::vector(drawn.pixel(x, y), drawn.pixel(x, y) + 3), testing::ElementsAre(30, 160, 30));
  EXPECT_THAT(std::vector(drawn.pixel(x - 35, y), drawn.pixel(x - 35, y) + 3), testing::Each(255));
}

TEST(PictureTable, FontsThatCannotBeUsedAreNamed) {
  const TempDir dir;
  write_file(dir / "text.ttf", "no font");
  PictureTable table = sample();
  table.font = dir / "none.ttf";
  EXPECT_THAT(text_of(ErrorKind::kInput, [&] { media().draw_table(table); }),
              testing::HasSubstr("none.ttf: there is no such font"));
  table.font = dir / "text.ttf";
  EXPECT_THAT(text_of(ErrorKind::kInput, [&] { media().draw_table(table); }), testing::HasSubstr("text.ttf: is no font"));
}

}  // namespace
}  // namespace emo
