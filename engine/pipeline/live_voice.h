#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "engine/expression/au_curve.h"
#include "weights/model_file.h"

namespace emo {

class CpuLiveSpeech;

/// A voice as it is spoken: sound in, rows of action units out, each at most 120 ms after its sound.
///
/// Where Voice takes level, mean and noise floor from the whole clip, a stream takes them from its last six seconds.
/// The formulas are in engine/backend/cpu/live_speech.h. Computed by the CPU backend whatever the machine has: a row is one
/// step of a small LSTM, 0.1 ms. An object serves one stream and one thread at a time.
class LiveVoice {
 public:
  /// A row a video frame, at 0, 1/fps, 2/fps ... s. The model is not needed afterwards.
  /// Throws Error(kUsage) unless 0 < fps <= 1000; Error(kModel) for a model that cannot run on a stream: bidirectional,
  /// without voice_change_db, or slow to decide; Error(kDevice) where this build has no CPU backend.
  LiveVoice(const ModelFile& model, double fps);
  ~LiveVoice();
  LiveVoice(LiveVoice&&) noexcept;
  LiveVoice& operator=(LiveVoice&&) noexcept;

  /// How long after its time a row is known, s.
  double delay_s() const;

  /// Takes the next mono samples at the model's rate, any number, full scale 1. Gives the rows that are known now; the same
  /// rows, to the byte, however the stream is cut. Throws Error(kInput) for NaN, infinity or samples beyond 1e12, before any
  /// is taken.
  AuCurve push(std::span<const float> pcm);

  /// The rows up to the stream's end, which silence follows. A stream of any length, 0 too, has a first row. Nothing may be
  /// pushed afterwards.
  AuCurve finish();

 private:
  struct State;
  AuCurve rows_of(std::span<const float> pcm, std::size_t most);
  std::unique_ptr<State> state_;
};

}  // namespace emo
