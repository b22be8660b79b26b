#include "engine/expression/expression.h"

#include <gtest/gtest.h>

#include "weights/config.h"

namespace emo {
namespace {

const std::vector<std::string>& kNames = default_au_names();

ActionUnits au(const char* text) { return parse_action_units(text, kNames); }

TEST(Expression, NothingAskedKeepsTheVoice) {
  EXPECT_EQ(Expression().over(au("4=0.3,12=0.7")).values(), au("4=0.3,12=0.7").values());
}

TEST(Expression, IntensityScalesTheVoiceAlone) {
  const Expression asked{.intensity = 0.5, .emotion = "happiness=0.25", .au = "1=+0.5"};
  EXPECT_EQ(asked.over(au("4=0.5,12=0.5")).values(), au("4=0.25,6=0.25,12=0.5,1=0.5").values());
}

TEST(Expression, SumsAreClampedBeforeTheEdits) {
  // Were the sum left at 1.6, the edit would still give 1.
  const Expression asked{.intensity = 2, .emotion = "anger=0.8", .au = "4=-0.25"};
  EXPECT_EQ(asked.over(au("4=0.4")).get("4"), 0.75f);
}

TEST(Expression, IntensityZeroLeavesTheEmotionAsked) {
  EXPECT_EQ((Expression{.intensity = 0, .emotion = "surprise=0.5"}.over(au("9=1,15=1"))).values(),
            parse_emotions("surprise=0.5", kNames).values());
}

}  // namespace
}  // namespace emo
