#include "engine/pipeline/live_voice.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "base/error.h"
#include "engine/expression/action_units.h"
#ifdef EMO_HAVE_CPU
#include "engine/backend/cpu/live_speech.h"
#endif

namespace emo {

#ifdef EMO_HAVE_CPU

struct LiveVoice::State {
  State(const ModelFile& model, double fps) : speech(model, fps), config(model.speech()), fps(fps) {}

  CpuLiveSpeech speech;
  SpeechConfig config;
  double fps;
  std::size_t samples = 0, rows = 0;
  bool finished = false;
};

LiveVoice::LiveVoice(const ModelFile& model, double fps) {
  if (!(fps > 0 && fps <= 1000)) fail(ErrorKind::kUsage, "`fps`: ", fps, " came; more than 0 and at most 1000 is needed");
  state_ = std::make_unique<State>(model, fps);
}

double LiveVoice::delay_s() const { return state_->speech.delay_s(); }

AuCurve LiveVoice::rows_of(std::span<const float> pcm, std::size_t most) {
  State& s = *state_;
  const Matrix values = s.speech.push(pcm);
  std::vector<double> times_s;
  for (int r = 0; r < values.rows && s.rows < most; ++r) times_s.push_back(double(s.rows++) / s.fps);
  AuCurve curve(s.config.au_names, std::move(times_s));
  const ActionUnits neutral(s.config.au_names);
  for (std::size_t r = 0; r < curve.rows(); ++r) {
    const ActionUnits row = neutral.with({values.row(int(r)), std::size_t(values.cols)});
    curve.set_row(r, sharpened(row, s.config.emotion_sharpness));
  }
  return curve;
}

AuCurve LiveVoice::push(std::span<const float> pcm) {
  EMO_CHECK(!state_->finished, "live voice: samples came after finish()");
  AuCurve rows = rows_of(pcm, std::numeric_limits<std::size_t>::max());
  state_->samples += pcm.size();
  return rows;
}

AuCurve LiveVoice::finish() {
  State& s = *state_;
  EMO_CHECK(!s.finished, "live voice: finished twice");
  s.finished = true;
  const double seconds = double(s.samples) / s.config.sample_rate_hz;
  const auto wanted = std::max<std::size_t>(1, std::size_t(std::ceil(seconds * s.fps - 1e-9)));
  // A row is known delay_s() after its time, and the last one's lies before the end.
  const double silence_s = delay_s() + double(s.config.hop_length) / s.config.sample_rate_hz;
  const std::vector<float> silence(std::size_t(std::ceil(silence_s * s.config.sample_rate_hz)));
  return rows_of(silence, wanted);
}

#else

struct LiveVoice::State {};

LiveVoice::LiveVoice(const ModelFile&, double) {
  fail(ErrorKind::kDevice, "live voice: this build has no CPU backend, which reads a stream; build with EMO_CPU=ON");
}
double LiveVoice::delay_s() const { return 0; }
AuCurve LiveVoice::push(std::span<const float>) { return {}; }
AuCurve LiveVoice::finish() { return {}; }

#endif

LiveVoice::~LiveVoice() = default;
LiveVoice::LiveVoice(LiveVoice&&) noexcept = default;
LiveVoice& LiveVoice::operator=(LiveVoice&&) noexcept = default;

}  // namespace emo
