#pragma once

#include <span>
#include <string>
#include <vector>

#include "engine/backend/backend.h"
#include "engine/backend/cpu/lstm.h"
#include "engine/backend/cpu/mfcc.h"
#include "engine/backend/shared/speech_rows.h"
#include "weights/model_file.h"

namespace emo {

/// Model B on the CPU: MFCC, preparation as in training, LSTM, read-out, FC layer. The preparation, in this order:
///
///   1. MFCC of the whole clip (its top_db looks at the whole clip).
///   2. Trimming to the rows that hold speech, see speech_rows().
///   3. The mean over the rows kept is subtracted (utterance_mean_subtracted), then (x - feature_mean) / feature_std.
///   4. Every frame_stride-th row goes into the LSTM, beginning with the first.
///
/// A clip without such rows is silence: no speech, no emotion, so its AUs are zero whatever the network would make of it.
/// Thread-safe; a call runs on the calling thread.
class CpuSpeech {
 public:
  explicit CpuSpeech(const ModelFile& model);

  /// See Backend::mfcc.
  Matrix mfcc(std::span<const float> pcm) const { return mfcc_(pcm); }

  /// See Backend::speech. An answer reads the states_around() its time: read-out `mean` averages them; `last` takes the last
  /// forward and the first backward one. Throws Error(kInternal) for a time that is not finite.
  Matrix speech(std::span<const float> pcm, std::span<const double> times_s) const;

 private:
  std::vector<double> energies(std::span<const float> pcm) const;
  Matrix prepare(const Matrix& features, Rows kept) const;
  void fully_connected(std::span<const double> z, float* au) const;

  std::string name_;  // of the model's file
  SpeechConfig config_;
  Mfcc mfcc_;
  Lstm lstm_;
  std::vector<float> fc_weight_, fc_bias_;  // (AUs, hidden * directions), (AUs)
};

}  // namespace emo
