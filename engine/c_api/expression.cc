#include "engine/expression/expression.h"

#include <algorithm>

#include "engine/c_api/engine.h"
#include "engine/c_api/guard.h"

using namespace emo;
using namespace emo::c_api;

emo_status emo_express(const emo_engine* engine, const float* voice, float intensity, const char* emotion, const char* au,
                       float* aus) {
  return guard([&] {
    const emo_engine& opened = needed(engine, "engine");
    needed(aus, "aus");
    if (!(intensity >= 0 && intensity <= 10)) {
      refuse("`intensity`: ", intensity, " came; 0 to 10 is needed");
    }
    const ActionUnits base = voice ? action_units(opened, voice, "voice") : ActionUnits(opened.au_names);
    const Expression wanted{.intensity = intensity, .emotion = emotion ? emotion : "", .au = au ? au : ""};
    std::ranges::copy(wanted.over(base).values(), aus);
  });
}

const char* emo_emotion(const emo_engine* engine, const float* aus, float* strength) {
  return guarded<const char*>(nullptr, [&] {
    const EmotionReading reading = read_emotion(action_units(needed(engine, "engine"), aus, "aus"));
    if (strength) *strength = float(reading.strength);
    return reading.name.data();  // of literals, which end in 0
  });
}
