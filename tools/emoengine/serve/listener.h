#pragma once

#include <memory>
#include <span>
#include <vector>

#include "engine/engine.h"
#include "engine/media/media.h"

namespace emo::serve {

/// A microphone's sound in, rows of AUs out. A model that can run on a stream does. Of another, each row is the last one of
/// the seconds heard so far: that costs some milliseconds a row and knows less of the voice's level, but the face follows.
class Listener {
 public:
  /// A row every 1/fps s. Throws as Engine::hear_live() does, but for a model that cannot run on a stream.
  Listener(const Engine& engine, int rate_hz, double fps);

  /// Takes samples at rate_hz; gives the rows that are known now. Where the engine was slower than the sound, the newest
  /// alone.
  AuCurve push(std::span<const float> pcm);

 private:
  AuCurve hear_again(std::span<const float> pcm);

  const Engine& engine_;
  const double fps_;
  const int model_rate_hz_;
  std::unique_ptr<Resampler> resampler_;
  std::unique_ptr<LiveVoice> stream_;  ///< null: the model has none
  std::vector<float> last_;            ///< the last seconds, at the model's rate
  std::size_t samples_ = 0, row_ = 0;  ///< heard so far; the next row
};

}  // namespace emo::serve
