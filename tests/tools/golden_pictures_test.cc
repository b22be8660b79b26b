// What people see, drawn again and compared with the pictures in tests/golden/pictures (see make_pictures.sh there).
#include <cstdlib>

#include "engine/media/media.h"
#include "tests/tools/program.h"

namespace emo {
namespace {

namespace fs = std::filesystem;

class GoldenPictures : public ProgramTest {};

TEST_F(GoldenPictures, AreDrawnAgain) {
  const auto outcome = script("'" EMO_SOURCE_DIR "/tests/golden/make_pictures.sh' '" EMO_BINARY "' .");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  for (const std::string name : {"run.png", "sweep.png", "strengths.png", "animate.png", "plot.png"}) {
    SCOPED_TRACE(name);
    const Image got = media().load_image(dir_ / name, {});
    const Image want = media().load_image(fs::path(EMO_SOURCE_DIR "/tests/golden/pictures") / name, {});
    ASSERT_EQ(got.width, want.width);
    ASSERT_EQ(got.height, want.height);
    // Processors differ by some 1e-5 of 255 steps before rounding: a step here and there. A label's edge that another
    // FreeType smooths otherwise is a few hundred of 10^5 values; a curve or a face that moved is thousands.
    std::size_t others = 0;
    for (std::size_t i = 0; i < got.rgb.size(); ++i) others += std::abs(got.rgb[i] - want.rgb[i]) > 2;
    EXPECT_LE(others, got.rgb.size() / 200);
  }
}

}  // namespace
}  // namespace emo
