#include "engine/expression/action_units.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/throws.h"
#include "weights/config.h"

namespace emo {
namespace {

const std::vector<std::string>& kNames = default_au_names();

template <typename Call>
std::string error_of(Call call) {
  return text_of(ErrorKind::kUsage, call);
}

TEST(ActionUnits, NamesWithAndWithoutPrefixMeanTheSame) {
  for (const char* name : {"7", "07", "AU7", "AU07", "au07"}) {
    ActionUnits au(kNames);
    au.set(name, 0.5f);
    EXPECT_EQ(au.get("AU07"), 0.5f) << name;
    EXPECT_NEAR(au.norm(), 0.5, 1e-7);
  }
}

TEST(ActionUnits, ListSetsTheNamedAndLeavesTheRestAtZero) {
  const auto au = parse_action_units(" 12=1, 6 = 0.8 ", kNames);
  EXPECT_EQ(au.get("12"), 1.f);
  EXPECT_EQ(au.get("6"), 0.8f);
  EXPECT_NEAR(au.norm(), std::sqrt(1.64), 1e-6);
}

TEST(ActionUnits, UnknownAuListsTheModels) {
  const auto text = error_of([] { parse_action_units("13=1", kNames); });
  EXPECT_THAT(text, testing::HasSubstr("'13' is not one of this model's: AU01, AU02"));
}

TEST(ActionUnits, ValueOutsideTheRangeIsRefused) {
  EXPECT_THAT(error_of([] { parse_action_units("12=1.5", kNames); }), testing::HasSubstr("AU12=1.5 is outside 0..1"));
  EXPECT_THAT(error_of([] { ActionUnits(kNames).set("12", -1); }), testing::HasSubstr("AU12=-1 is outside 0..1"));
  EXPECT_THAT(error_of([] { parse_action_units("12=+2", kNames); }),
              testing::HasSubstr("a change of AU12 by 2 is outside -1..1"));
  EXPECT_THAT(error_of([] { parse_action_units("13=+1", kNames); }), testing::HasSubstr("'13' is not one of this model's"));
}

TEST(ActionUnits, SignedValuesAddAndUnsignedOnesSet) {
  const auto au =
      AuEdits("4=+0.25,12=-0.5,6=0.5,1=-1,2=+1", kNames).of(parse_action_units("4=0.5,12=0.75,6=1,1=0.5,2=0.5", kNames));
  EXPECT_EQ(au.values(), parse_action_units("4=0.75,12=0.25,6=0.5,2=1", kNames).values());
}

TEST(ActionUnits, EveryUnitOfTheModelsHasAMeaning) {
  for (const auto& name : kNames) EXPECT_NE(au_meaning(name), "") << name;
  EXPECT_EQ(au_meaning("AU12"), "lip corner puller");
  EXPECT_EQ(au_meaning("AU99"), "");
}

TEST(ActionUnits, EditsAreMadeInTheirOrder) {
  EXPECT_EQ(parse_action_units("12=+1,12=-0.25,12=+0.125", kNames).get("12"), 0.875f);
  EXPECT_EQ(parse_action_units("12=+1,12=0.5", kNames).get("12"), 0.5f);
}

TEST(ActionUnits, OpenFacesColumnsAreNamesToo) { EXPECT_EQ(parse_action_units("AU12_r=0.5", kNames).get("12"), 0.5f); }

TEST(ActionUnits, UnreadablePartIsQuoted) {
  for (const char* part : {"12", "12=", "12=x", "12=nan", "=", "12=1e", "12=+", "12=+-1", "12=--1"}) {
    EXPECT_THAT(error_of([&] { parse_action_units("6=1," + std::string(part), kNames); }),
                testing::HasSubstr("`au`: '" + std::string(part) + "' cannot be read"));
  }
  EXPECT_THAT(error_of([] { parse_action_units("12=1,", kNames); }), testing::HasSubstr("'' cannot be read"));
  EXPECT_THAT(error_of([] { parse_action_units("", kNames); }), testing::HasSubstr("nothing given"));
}

TEST(ActionUnits, VectorIsClampedAndNanIsRefused) {
  const ActionUnits au({"AU01", "AU02"}, std::vector<float>{-0.25f, 7.f});
  EXPECT_THAT(au.values(), testing::ElementsAre(0.f, 1.f));
  EXPECT_THAT(text_of(ErrorKind::kInternal, [] { ActionUnits({"AU01"}, std::vector<float>{NAN}); }),
              testing::HasSubstr("AU01 is NaN"));
}

TEST(ActionUnits, ReorderedKeepsValuesByName) {
  const ActionUnits au({"AU12", "AU06"}, std::vector<float>{0.1f, 0.2f});
  EXPECT_THAT(au.reordered({"AU06", "AU45", "AU12"}).values(), testing::ElementsAre(0.2f, 0.f, 0.1f));
}

TEST(Emotions, PrototypesAreThoseOfTableOne) {
  EXPECT_EQ(parse_emotions("happiness", kNames).values(), parse_action_units("6=1,12=1", kNames).values());
  EXPECT_EQ(parse_emotions("fear", kNames).values(), parse_action_units("1=1,2=1,4=1,5=1,7=1,20=1,26=1", kNames).values());
  EXPECT_EQ(parse_emotions("disgust=0.5", kNames).values(), parse_action_units("9=0.5,15=0.5", kNames).values());
}

TEST(Emotions, MixturesAddUpAndAreClamped) {
  const auto au = parse_emotions("surprise=0.75,fear=0.5", kNames);
  EXPECT_EQ(au.get("1"), 1.f);
  EXPECT_EQ(au.get("20"), 0.5f);
  EXPECT_EQ(au.get("12"), 0.f);
}

TEST(Emotions, AliasesAndLettersOfEitherCaseAreTaken) {
  for (const char* word : {"Happiness", "HAPPY", "happy", "joy"}) {
    EXPECT_EQ(parse_emotions(word, kNames).values(), parse_emotions("happiness", kNames).values()) << word;
  }
  EXPECT_EQ(parse_emotions("Angry=0.5,Sad", kNames).values(), parse_emotions("anger=0.5,sadness", kNames).values());
  EXPECT_EQ(parse_emotions("Neutral", kNames).norm(), 0);
  for (const auto& emotion : emotions()) {
    for (const auto alias : emotion.aliases) {
      EXPECT_EQ(read_emotion(parse_emotions(alias, kNames)).name, emotion.name) << alias;
    }
  }
}

TEST(Emotions, UnknownOneNamesTheKnown) {
  EXPECT_THAT(error_of([] { parse_emotions("bliss=1", kNames); }),
              testing::HasSubstr("'bliss' is not known; choose from neutral, happiness, sadness"));
  EXPECT_THAT(error_of([] { parse_emotions("anger=2", kNames); }), testing::HasSubstr("anger=2 is outside 0..1"));
}

TEST(EmotionReadOut, EachPrototypeIsReadAsItselfAtItsStrength) {
  for (const auto& emotion : emotions()) {
    const auto reading = read_emotion(parse_emotions(std::string(emotion.name) + "=0.6", kNames));
    EXPECT_EQ(reading.name, emotion.name);
    EXPECT_NEAR(reading.strength, 0.6, 1e-6);
  }
}

TEST(EmotionReadOut, WeakFacesAreNeutral) {
  EXPECT_EQ(read_emotion(ActionUnits(kNames)).name, "neutral");
  EXPECT_EQ(read_emotion(parse_action_units("12=0.49", kNames)).name, "neutral");
  EXPECT_EQ(read_emotion(parse_action_units("12=0.5", kNames)).name, "happiness");
}

// The definition, written out: the residual vector of each prototype, its length, the smallest wins.
TEST(EmotionReadOut, AgreesWithResidualsWrittenOut) {
  unsigned seed = 1;
  for (int trial = 0; trial < 200; ++trial) {
    std::vector<float> values(kNames.size());
    for (float& v : values) v = float((seed = seed * 1664525u + 1013904223u) >> 8) / float(1 << 24);
    const ActionUnits au(kNames, values);
    std::string_view best;
    double best_residual = 1e9;
    for (const auto& emotion : emotions()) {
      const auto prototype = parse_emotions(emotion.name, kNames).values();
      double dot = 0, sq = 0, residual = 0;
      for (std::size_t i = 0; i < values.size(); ++i) dot += values[i] * prototype[i], sq += prototype[i] * prototype[i];
      for (std::size_t i = 0; i < values.size(); ++i) residual += std::pow(values[i] - dot / sq * prototype[i], 2);
      if (residual < best_residual) best_residual = residual, best = emotion.name;
    }
    EXPECT_EQ(read_emotion(au).name, best);
  }
}

// The definition, written out, on faces of every kind.
TEST(Sharpened, AgreesWithTheSumWrittenOut) {
  unsigned seed = 7;
  for (int trial = 0; trial < 200; ++trial) {
    std::vector<float> values(kNames.size());
    for (float& v : values)
      v = float((seed = seed * 1664525u + 1013904223u) >> 8) / float(1 << 24) * 0.01f * float(trial % 60);
    const ActionUnits au(kNames, values);
    double sum = std::exp(16 * 0.5), sq = 0;
    for (const float v : au.values()) sq += double(v) * v;
    std::vector<double> expected(kNames.size());
    for (const auto& emotion : emotions()) {
      auto prototype = parse_emotions(emotion.name, kNames).values();
      for (float& v : prototype) v /= std::sqrt(float(emotion.aus.size()));
      double projection = 0;
      for (std::size_t i = 0; i < prototype.size(); ++i) projection += double(au.values()[i]) * prototype[i];
      sum += std::exp(16 * projection);
      for (std::size_t i = 0; i < prototype.size(); ++i) expected[i] += std::exp(16 * projection) * prototype[i];
    }
    const ActionUnits result = sharpened(au, 16);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      EXPECT_NEAR(result.values()[i], std::min(1.0, std::sqrt(sq) * expected[i] / sum), 1e-5);
    }
  }
}

TEST(Sharpened, AClearEmotionStaysAsItIsAndAMixtureLosesTheWeaker) {
  const auto anger = parse_emotions("anger=0.8", kNames);
  const auto angry = sharpened(anger, 16);
  for (const auto& name : kNames) EXPECT_NEAR(angry.get(name), anger.get(name), 0.01) << name;

  const auto half_a_smile = sharpened(parse_emotions("anger=0.8,happiness=0.5", kNames), 16);
  EXPECT_EQ(read_emotion(half_a_smile).name, "anger");
  EXPECT_GT(half_a_smile.get("4"), 0.8);
  EXPECT_LT(half_a_smile.get("12"), 0.01);
}

TEST(Sharpened, AFaintAnswerComesNearerToNeutral) {
  EXPECT_LT(sharpened(parse_emotions("sadness=0.2", kNames), 16).norm(), 0.2 * std::sqrt(3.0) / 2);
  EXPECT_EQ(sharpened(ActionUnits(kNames), 16).norm(), 0);
}

TEST(Sharpened, ByNothingIsAsItWas) {
  const auto au = parse_emotions("anger=0.8,happiness=0.5", kNames);
  EXPECT_EQ(sharpened(au, 0).values(), au.values());
}

}  // namespace
}  // namespace emo
