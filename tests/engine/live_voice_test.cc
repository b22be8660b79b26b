#ifdef EMO_HAVE_CPU

#include "engine/pipeline/live_voice.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "engine/expression/action_units.h"
#include "tests/cpu/golden.h"
#include "tests/throws.h"

namespace emo {
namespace {

ModelFile golden_model() { return ModelFile(golden_path("speech_voice.safetensors")); }

std::vector<float> golden_voice() {
  return read_floats(SafeTensors(golden_path("speech_voice_aus.safetensors")), "voice.pcm");
}

void append(AuCurve& curve, const AuCurve& more) {
  curve.times_s.insert(curve.times_s.end(), more.times_s.begin(), more.times_s.end());
  curve.rows.insert(curve.rows.end(), more.rows.begin(), more.rows.end());
}

TEST(LiveVoice, GivesARowAVideoFrameUpToTheEnd) {
  const auto pcm = golden_voice();
  const ModelFile model = golden_model();
  const Matrix want =
      read_matrix(SafeTensors(golden_path("speech_voice_aus.safetensors")), "voice/live");  // by the training code
  for (const std::size_t block : {std::size_t(333), pcm.size()}) {
    LiveVoice live(model, 25);
    EXPECT_LE(live.delay_s(), 0.12);
    AuCurve curve;
    for (std::size_t i = 0; i < pcm.size(); i += block) {
      append(curve, live.push(std::span(pcm).subspan(i, std::min(block, pcm.size() - i))));
    }
    append(curve, live.finish());
    ASSERT_EQ(int(curve.rows.size()), want.rows);
    for (int r = 0; r < want.rows; ++r) {
      EXPECT_NEAR(curve.times_s[std::size_t(r)], r / 25., 1e-9);
      for (int i = 0; i < want.cols; ++i) {
        EXPECT_NEAR(curve.rows[std::size_t(r)].values()[std::size_t(i)], std::clamp(want.row(r)[i], 0.f, 1.f), kAuTolerance);
      }
    }
  }
}

TEST(LiveVoice, AnEmptyStreamHasOneNeutralRow) {
  LiveVoice live(golden_model(), 25);
  EXPECT_TRUE(live.push({}).rows.empty());
  const AuCurve curve = live.finish();
  ASSERT_EQ(curve.rows.size(), 1u);
  for (const float au : curve.rows[0].values()) EXPECT_EQ(au, 0);
}

TEST(LiveVoice, SaysWhatItCannotDo) {
  const ModelFile model = golden_model();
  EXPECT_EQ(text_of(ErrorKind::kUsage, [&] { LiveVoice(model, 0); }),
            "`fps`: 0 came; more than 0 and at most 1000 is needed");
  LiveVoice live(model, 25);
  live.finish();
  EXPECT_NE(text_of(ErrorKind::kInternal, [&] { live.push({}); }).find("samples came after finish()"), std::string::npos);
  EXPECT_NE(text_of(ErrorKind::kInternal, [&] { live.finish(); }).find("finished twice"), std::string::npos);
}

}  // namespace
}  // namespace emo

#endif
