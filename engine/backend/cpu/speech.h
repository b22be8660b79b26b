#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/backend/backend.h"
#include "engine/backend/cpu/lstm.h"
#include "engine/backend/cpu/mfcc.h"
#include "engine/backend/shared/speech_rows.h"
#include "weights/model_file.h"

namespace emo {

/// The last layer, hidden * directions to AUs.
struct FullyConnected {
  explicit FullyConnected(const ModelFile& model) : weight(model.floats("fc.weight")), bias(model.floats("fc.bias")) {}
  void operator()(std::span<const double> z, float* au) const;

  std::vector<float> weight, bias;  ///< (AUs, hidden * directions), (AUs)
};

/// Model B on the CPU: MFCC, preparation as in training, LSTM, read-out, FC layer. The preparation, in this order:
///
///   1. MFCC of the whole clip, floored top_db under its loudest band, and the rows between its quiet ends, see
///   speech_rows();
///      or, with voice_change_db, relative to the level of its voice, and the rows that hold voice, see voice_activity.h.
///   2. The mean over the rows kept is subtracted (utterance_mean_subtracted), then (x - feature_mean) / feature_std.
///   3. Every frame_stride-th row goes into the LSTM, beginning with the first.
///
/// A clip without such rows is silence: no speech, no emotion, so its AUs are zero whatever the network would make of it.
/// Thread-safe; a call runs on the calling thread.
class CpuSpeech {
 public:
  explicit CpuSpeech(const ModelFile& model);

  /// See Backend::mfcc.
  Matrix mfcc(std::span<const float> pcm) const { return mfcc_(pcm); }

  /// See Backend::hear. An answer reads the states_around() its time: read-out `mean` averages them; `last` takes the last
  /// forward and the first backward one. Reading throws Error(kInternal) for a time that is not finite.
  std::unique_ptr<const HeardClip> hear(std::span<const float> pcm) const;
  /// See Backend::speech.
  Matrix speech(std::span<const float> pcm, std::span<const double> times_s) const { return hear(pcm)->read(times_s); }

 private:
  class Clip;
  struct Input {
    Matrix features;
    std::vector<int> rows;
  };
  Input input(std::span<const float> pcm) const;
  std::vector<double> energies(std::span<const float> pcm) const;
  Matrix prepare(const Matrix& features, std::span<const int> rows) const;

  std::string name_;  // of the model's file
  SpeechConfig config_;
  Mfcc mfcc_;
  Lstm lstm_;
  FullyConnected fc_;
};

}  // namespace emo
