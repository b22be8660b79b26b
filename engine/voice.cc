#include "engine/voice.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.h"

namespace emo {

Voice::Voice(std::unique_ptr<const HeardClip> heard, const SpeechConfig& config, std::span<const float> pcm)
    : heard_(std::move(heard)), config_(config), lips_(std::make_unique<Lips>()), whole_(config.au_names) {
  lips_->pcm.assign(pcm.begin(), pcm.end());
  const Matrix values = heard_->read({});
  // A backend answers with zeros where it finds no speech; what a network gives, not clamped, is never zero in every AU.
  holds_speech_ = std::ranges::any_of(values.values, [](float au) { return au != 0; });
  whole_ = answer(values.values);
}

ActionUnits Voice::answer(std::span<const float> values) const {
  return sharpened({config_.au_names, values}, config_.emotion_sharpness);
}

AuCurve Voice::at(std::vector<double> times_s) const {
  if (times_s.empty()) return {config_.au_names, {}};
  const Matrix values = heard_->read(times_s);
  AuCurve curve(config_.au_names, std::move(times_s));
  for (int r = 0; r < values.rows; ++r) {
    curve.set_row(std::size_t(r), answer({values.row(r), std::size_t(values.cols)}));
  }
  return curve;
}

AuCurve Voice::per_frame(double fps) const {
  if (!(fps > 0 && fps <= 1000)) fail(ErrorKind::kUsage, "`fps`: ", fps, " came; more than 0 and at most 1000 is needed");
  // A clip of any length has a first frame; a frame belongs to the clip when its time lies before the clip's end.
  std::vector<double> times_s(std::max<std::size_t>(1, std::size_t(std::ceil(seconds() * fps - 1e-9))));
  for (std::size_t i = 0; i < times_s.size(); ++i) times_s[i] = double(i) / fps;
  return at(std::move(times_s));
}

void Voice::add_lips(AuCurve& curve, double amount) const {
  if (amount == 0 || !holds_speech_) return;
  std::call_once(lips_->heard, [this] { lips_->track = hear_lips(lips_->pcm, config_.sample_rate_hz); });
  emo::add_lips(curve, lips_->track, amount);
}

}  // namespace emo
