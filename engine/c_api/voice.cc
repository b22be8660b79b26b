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

struct emo_live {
  const emo_engine& engine;
  emo::LiveVoice voice;
  std::vector<float> rows = {};  // that wait, under the engine's names

  /// Keeps the rows and returns how many wait.
  std::size_t keep(const emo::AuCurve& more) {
    for (std::size_t i = 0; i < more.rows(); ++i) {
      const auto row = more.row(i).reordered(engine.au_names);
      rows.insert(rows.end(), row.values().begin(), row.values().end());
    }
    return rows.size() / engine.au_names.size();
  }
};

using namespace emo;
using namespace emo::c_api;

namespace {

/// A curve of no AUs yet at a caller's times.
AuCurve curve_at(const emo_engine& engine, const double* times_s, size_t count) {
  needed(times_s, "times_s");
  for (std::size_t i = 0; i < count; ++i) {
    if (!std::isfinite(times_s[i])) refuse("`times_s`[", i, "]: ", times_s[i], " came; a finite time is needed");
  }
  return {engine.au_names, {times_s, times_s + count}};
}

}  // namespace

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
    needed(aus, "aus");
    const AuCurve curve = heard.at(curve_at(engine, times_s, count).times_s);
    for (std::size_t i = 0; i < count; ++i) {
      aus = std::ranges::copy(curve.row(i).reordered(engine.au_names).values(), aus).out;
    }
  });
}

emo_status emo_voice_add_lips(const emo_voice* voice, const double* times_s, size_t count, double amount, float* aus) {
  return guard([&] {
    const auto& [engine, heard] = needed(voice, "voice");
    if (!(amount >= 0 && amount <= limits::kMaxLips)) {
      refuse("`amount`: ", amount, " came; 0 to ", limits::kMaxLips, " are possible");
    }
    if (count == 0) return;
    needed(aus, "aus");
    AuCurve curve = curve_at(engine, times_s, count);
    const std::size_t n = engine.au_names.size();
    for (std::size_t i = 0; i < count; ++i) curve.set_row(i, action_units(engine, aus + i * n, "aus"));
    heard.add_lips(curve, amount);
    std::ranges::copy(curve.values.values, aus);
  });
}

emo_status emo_hear_live(emo_engine* engine, double fps, emo_live** live) {
  return guard([&] {
    auto& out = handle_out(live, "live");
    emo_engine& opened = hearing(engine);
    out = new emo_live{opened, opened.engine.hear_live(fps)};
  });
}

void emo_live_free(emo_live* live) { delete live; }

emo_status emo_live_push(emo_live* live, const float* pcm, size_t samples, size_t* waiting) {
  return guard([&] {
    auto& stream = needed(live, "live");
    size_t& rows = needed(waiting, "waiting");
    if (samples > 0) needed(pcm, "pcm");
    rows = stream.keep(stream.voice.push({pcm, samples}));
  });
}

emo_status emo_live_finish(emo_live* live, size_t* waiting) {
  return guard([&] {
    auto& stream = needed(live, "live");
    size_t& rows = needed(waiting, "waiting");
    rows = stream.keep(stream.voice.finish());
  });
}

emo_status emo_live_take(emo_live* live, size_t rows, float* aus) {
  return guard([&] {
    auto& stream = needed(live, "live");
    const size_t count = stream.engine.au_names.size(), waiting = stream.rows.size() / count;
    if (rows == 0) return;
    if (rows > waiting) refuse("`rows`: ", rows, " came; ", waiting, " wait");
    std::copy_n(stream.rows.data(), rows * count, &needed(aus, "aus"));
    stream.rows.erase(stream.rows.begin(), stream.rows.begin() + std::ptrdiff_t(rows * count));
  });
}
