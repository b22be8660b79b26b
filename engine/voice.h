#pragma once

#include <memory>
#include <span>

#include "engine/backend/backend.h"
#include "engine/expression/au_curve.h"
#include "weights/config.h"

namespace emo {

/// A clip as the speech model has heard it, from which AUs are read as often as needed; see Engine::hear. The answers are
/// sharpened() as the model says (SpeechConfig::emotion_sharpness). Thread-safe; the Engine must outlive it.
class Voice {
 public:
  Voice(std::unique_ptr<const HeardClip> heard, const SpeechConfig& config, double seconds);

  double seconds() const { return seconds_; }
  /// Whether the clip holds speech; if not, every answer is neutral.
  bool holds_speech() const { return holds_speech_; }
  /// The clip's own answer.
  const ActionUnits& whole() const { return whole_; }
  /// The answers at these times, seconds.
  AuCurve at(std::vector<double> times_s) const;
  /// One row a video frame, at i/fps, for the clip's length. Throws Error(kUsage) unless 0 < fps <= 1000.
  AuCurve per_frame(double fps) const;

 private:
  ActionUnits answer(std::span<const float> values) const;

  std::unique_ptr<const HeardClip> heard_;
  const SpeechConfig& config_;
  double seconds_;
  bool holds_speech_;
  ActionUnits whole_;
};

}  // namespace emo
