#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "engine/backend/backend.h"
#include "engine/expression/au_curve.h"
#include "engine/expression/lips.h"
#include "weights/config.h"

namespace emo {

/// A clip as the speech model has heard it, from which AUs are read as often as needed; see Engine::hear. The answers are
/// sharpened() as the model says (SpeechConfig::emotion_sharpness). Thread-safe; the Engine must outlive it.
class Voice {
 public:
  Voice(std::unique_ptr<const HeardClip> heard, const SpeechConfig& config, std::span<const float> pcm);

  double seconds() const { return double(lips_->pcm.size()) / config_.sample_rate_hz; }
  /// Whether the clip holds speech; if not, every answer is neutral.
  bool holds_speech() const { return holds_speech_; }
  /// The clip's own answer.
  const ActionUnits& whole() const { return whole_; }
  /// The answers at these times, seconds.
  AuCurve at(std::vector<double> times_s) const;
  /// One row a video frame, at i/fps, for the clip's length. Throws Error(kUsage) unless 0 < fps <= 1000.
  AuCurve per_frame(double fps) const;
  /// Adds what the lips do at the curve's times, `amount` times as far as people's; see lips.h. The first call listens to
  /// the clip again, 0.6 ms a second of it. A clip without speech moves no lips.
  void add_lips(AuCurve& curve, double amount) const;

 private:
  /// Heard when they are wanted: one still picture needs none.
  struct Lips {
    std::vector<float> pcm;
    std::once_flag heard;
    LipTrack track;
  };

  ActionUnits answer(std::span<const float> values) const;

  std::unique_ptr<const HeardClip> heard_;
  const SpeechConfig& config_;
  std::unique_ptr<Lips> lips_;
  bool holds_speech_;
  ActionUnits whole_;
};

}  // namespace emo
