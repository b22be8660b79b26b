// Faces that are looked at once they are redrawn, by the shipped models on the sample.
#include "engine/pipeline/reached.h"

#include "tests/media/files.h"
#include "tests/throws.h"

namespace emo {
namespace {

constexpr Box kFace{177, 79, 94};  // the sample's

Engine open(bool with_reader) {
  return Engine({.generator = EMO_SOURCE_DIR "/weights/generator.safetensors",
                 .reader = with_reader ? EMO_SOURCE_DIR "/weights/reader.safetensors" : "",
                 .backend = {.kind = BackendKind::kCpu, .precision = Precision::kFp32}});
}

TEST(Reached, AFaceIsDrawnAgainWhileThatBringsNearerWhatWasAsked) {
  const Engine engine = open(true);
  const Image photo = media().load_image(EMO_SOURCE_DIR "/samples/astronaut.png", {});
  const auto reached = [&](const char* aus, int passes, Image& out) {
    out = photo;
    FaceJob job{.face = kFace,
                .au = parse_action_units(aus, default_au_names()),
                .drawing = {.passes = passes, .detail = Detail::kNetwork}};
    return redraw_and_read(engine, out, {job})[0];
  };
  Image once, chosen, as_chosen;
  const char* const surprise = "1=0.8,2=0.8,5=0.8,26=0.8";
  const Reached first = reached(surprise, 1, once), best = reached(surprise, kAutoPasses, chosen);
  EXPECT_EQ(first.passes, 1);
  EXPECT_GT(best.passes, 1) << "one pass closes this smile half way";
  EXPECT_LT(best.au.get("AU12"), first.au.get("AU12"));
  EXPECT_EQ(reached(surprise, best.passes, as_chosen).passes, best.passes);
  EXPECT_EQ(chosen.rgb, as_chosen.rgb);
  EXPECT_EQ(reached("12=0.6,6=0.6,25=0.5", kAutoPasses, chosen).passes, 1) << "it smiles so already";
}

TEST(Reached, NeedsAReader) {
  const Engine engine = open(false);
  Image photo(200, 200);
  EXPECT_EQ(text_of(ErrorKind::kUsage, [&] { redraw_and_read(engine, photo, {}); }),
            "`passes`: the face reader looks at what was drawn, and none was opened; open one with `reader`");
}

}  // namespace
}  // namespace emo
