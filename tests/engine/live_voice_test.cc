#ifdef EMO_HAVE_CPU

#include "engine/pipeline/live_voice.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "tests/cpu/golden.h"
#include "tests/throws.h"

namespace emo {
namespace {

ModelFile golden_model() { return ModelFile(golden_path("speech_voice.safetensors")); }

std::vector<float> golden_voice() {
  return read_floats(SafeTensors(golden_path("speech_voice_aus.safetensors")), "voice.pcm");
}

TEST(LiveVoice, GivesARowAVideoFrameUpToTheEnd) {
  const auto pcm = golden_voice();
  const ModelFile model = golden_model();
  const Matrix want =
      read_matrix(SafeTensors(golden_path("speech_voice_aus.safetensors")), "voice/live");  // by the training code
  for (const std::size_t block : {std::size_t(333), pcm.size()}) {
    LiveVoice live(model, 25);
    EXPECT_LE(live.delay_s(), 0.12);
    int rows = 0;
    const auto expect_next = [&](const AuCurve& more) {
      for (std::size_t r = 0; r < more.rows(); ++r, ++rows) {
        ASSERT_LT(rows, want.rows);
        EXPECT_NEAR(more.times_s[r], rows / 25., 1e-9);
        for (int i = 0; i < want.cols; ++i) {
          EXPECT_NEAR(more.values.row(int(r))[i], std::clamp(want.row(rows)[i], 0.f, 1.f), kAuTolerance);
        }
      }
    };
    for (std::size_t i = 0; i < pcm.size(); i += block) {
      expect_next(live.push(std::span(pcm).subspan(i, std::min(block, pcm.size() - i))));
    }
    expect_next(live.finish());
    EXPECT_EQ(rows, want.rows);
  }
}

TEST(LiveVoice, AnEmptyStreamHasOneNeutralRow) {
  LiveVoice live(golden_model(), 25);
  EXPECT_EQ(live.push({}).rows(), 0u);
  const AuCurve curve = live.finish();
  ASSERT_EQ(curve.rows(), 1u);
  EXPECT_EQ(curve.values.values, std::vector<float>(17));
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
