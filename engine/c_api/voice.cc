#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "engine/c_api/engine.h"
#include "engine/c_api/guard.h"

struct emo_voice {
  const emo_engine& engine;
  const emo::Voice voice;
};

using namespace emo;
using namespace emo::c_api;

emo_status emo_hear(emo_engine* engine, const float* pcm, size_t samples, emo_voice** voice) {
  return guard([&] {
    auto& out = handle_out(voice, "voice");
    emo_engine& opened = hearing(engine);
    needed(pcm, "pcm");
    const double seconds = double(samples) / opened.engine.speech_config().sample_rate_hz;
    if (seconds > limits::kMaxAudioSeconds) {
      refuse("`samples`: ", samples, " came, which last ", seconds, " s; at most ", limits::kMaxAudioSeconds,
             " s are taken");
    }
    out = new emo_voice{opened, opened.engine.hear({pcm, samples})};
  });
}

void emo_voice_free(emo_voice* voice) { delete voice; }

double emo_voice_seconds(const emo_voice* voice) {
  return guarded(0., [&] { return needed(voice, "voice").voice.seconds(); });
}

emo_status emo_voice_whole(const emo_voice* voice, float* aus) {
  return guard([&] {
    const auto& [engine, heard] = needed(voice, "voice");
    std::ranges::copy(heard.whole().reordered(engine.au_names).values(), &needed(aus, "aus"));
  });
}

emo_status emo_voice_at(const emo_voice* voice, const double* times_s, size_t count, float* aus) {
  return guard([&] {
    const auto& [engine, heard] = needed(voice, "voice");
    if (count == 0) return;
    needed(times_s, "times_s");
    needed(aus, "aus");
    for (std::size_t i = 0; i < count; ++i) {
      if (!std::isfinite(times_s[i])) refuse("`times_s`[", i, "]: ", times_s[i], " came; a finite time is needed");
    }
    const AuCurve curve = heard.at({times_s, times_s + count});
    for (std::size_t i = 0; i < count; ++i) {
      aus = std::ranges::copy(curve.row(i).reordered(engine.au_names).values(), aus).out;
    }
  });
}
