#include "tools/emoengine/serve/listener.h"

#include <algorithm>

#include "base/error.h"

namespace emo::serve {
namespace {

// The speech model takes a clip's mean and level from what it hears: less than this and they jump, more and they lag.
constexpr double kHeardSeconds = 4, kLeastSeconds = 0.25;

}  // namespace

Listener::Listener(const Engine& engine, int rate_hz, double fps)
    : engine_(engine),
      fps_(fps),
      model_rate_hz_(engine.speech_config().sample_rate_hz),
      resampler_(media().resampler(rate_hz, model_rate_hz_)) {
  try {
    stream_ = std::make_unique<LiveVoice>(engine.hear_live(fps));
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::kModel) throw;
  }
}

AuCurve Listener::push(std::span<const float> pcm) {
  std::vector<float> resampled;
  resampler_->push(pcm, resampled);
  return stream_ ? stream_->push(resampled) : hear_again(resampled);
}

AuCurve Listener::hear_again(std::span<const float> pcm) {
  last_.insert(last_.end(), pcm.begin(), pcm.end());
  samples_ += pcm.size();
  const auto most = std::size_t(kHeardSeconds * model_rate_hz_);
  if (last_.size() > most) last_.erase(last_.begin(), last_.end() - std::ptrdiff_t(most));
  const auto due = std::size_t(double(samples_) * fps_ / model_rate_hz_);
  if (due < row_ || double(samples_) < kLeastSeconds * model_rate_hz_) return AuCurve(engine_.speech_config().au_names, {});
  row_ = due + 1;
  const AuCurve heard = engine_.hear(last_).per_frame(fps_);
  AuCurve newest(heard.names, {double(due) / fps_});
  newest.set_row(0, heard.row(heard.rows() - 1));
  return newest;
}

}  // namespace emo::serve
