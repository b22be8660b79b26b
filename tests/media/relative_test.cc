// A broad smile that is asked to smile, by the shipped models on the sample.
#include <cmath>

#include "engine/engine.h"
#include "tests/media/files.h"
#include "tests/throws.h"

namespace emo {
namespace {

constexpr Box kFace{177, 79, 94};  // the sample's
constexpr Box kTeeth{209, 146, 30};

Engine open(bool with_reader) {
  return Engine({.generator = EMO_SOURCE_DIR "/weights/generator.safetensors",
                 .reader = with_reader ? EMO_SOURCE_DIR "/weights/reader.safetensors" : "",
                 .backend = {.kind = BackendKind::kCpu, .precision = Precision::kFp32}});
}

/// The mean difference of two pictures in the upper half of a box.
double difference(const Image& a, const Image& b, const Box& box) {
  double sum = 0;
  int count = 0;
  for (int y = int(box.y); y < int(box.y + box.side / 2); ++y) {
    for (int x = int(box.x); x < int(box.x + box.side); ++x) {
      for (int c = 0; c < 3; ++c, ++count) sum += std::abs(a.pixel(x, y)[c] - b.pixel(x, y)[c]);
    }
  }
  return sum / count;
}

TEST(Relative, ABroadSmileKeepsItsTeethAndABrowIsRaised) {
  const Engine engine = open(true);
  const Image photo = media().load_image(EMO_SOURCE_DIR "/samples/astronaut.png", {});
  EXPECT_GT(engine.read_closely(photo, kFace).au.get("AU12"), 0.5);
  Detail detail = Detail::kNetwork;
  const auto redrawn = [&](const char* aus, bool relative) {
    Image out = photo;
    FaceJob job{.photo = photo,
                .face = kFace,
                .au = parse_action_units(aus, default_au_names()),
                .drawing = {.relative = relative, .detail = detail},
                .out = out};
    engine.redraw_all({&job, 1});
    return out;
  };
  const double absolute = difference(photo, redrawn("6=1,12=1", false), kTeeth),
               relative = difference(photo, redrawn("6=1,12=1", true), kTeeth);
  EXPECT_LT(relative, absolute / 3);
  for (const Detail each : {Detail::kNetwork, Detail::kSharp}) {
    detail = each;
    EXPECT_EQ(redrawn("12=0", true).rgb, photo.rgb) << "nothing is added";
    EXPECT_GT(difference(photo, redrawn("1=1,2=1", true), kFace), 2);
  }
}

TEST(Relative, NeedsAReader) {
  const Engine engine = open(false);
  EXPECT_EQ(text_of(ErrorKind::kUsage,
                    [&] {
                      FaceJob job{.face = kFace, .au = ActionUnits(default_au_names()), .drawing = {.relative = true}};
                      engine.redraw_all({&job, 1});
                    }),
            "`relative`: the face reader reads what a photo shows, and none was opened; open one with `reader`");
}

}  // namespace
}  // namespace emo
