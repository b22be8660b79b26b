#pragma once

#include <span>
#include <vector>

#include "engine/backend.h"
#include "engine/cpu/lstm.h"
#include "engine/cpu/mfcc.h"
#include "weights/model_file.h"

namespace emo {

/// Model B on the CPU: MFCC, preparation as in training, LSTM, read-out, FC layer. The preparation, in this order:
///
///   1. MFCC of the whole clip (its top_db looks at the whole clip).
///   2. Trimming. Window i is pcm[i*hop ... + win_length), not centred, zeros after the end of a shorter clip; it is loud
///      when its mean square exceeds that of the loudest by 10^(-trim_db/10). Of the first and last loud windows a and b,
///      MFCC rows [a - pad, b + pad) are kept, cut at the clip's ends, and at least row a. trim_db < 0 keeps all.
///   3. The mean over the rows kept is subtracted (utterance_mean_subtracted), then (x - feature_mean) / feature_std.
///   4. Every frame_stride-th row goes into the LSTM, beginning with the first.
///
/// A clip whose loudest window stays at or below -90 dBFS, one step of 16-bit sound, is silence: no speech, no emotion, so
/// its AUs are zero whatever the network would make of it.
/// Thread-safe; a call runs on the calling thread.
class CpuSpeech {
 public:
  explicit CpuSpeech(const ModelFile& model);

  /// See Backend::mfcc.
  Matrix mfcc(std::span<const float> pcm) const { return mfcc_(pcm); }

  /// See Backend::speech. State s stands at the centre of its MFCC frame, (first kept row + s * stride) * hop / rate. A
  /// window takes in the states from t - w/2 to t + w/2, both included, w being readout_window_s or, when that is shorter,
  /// the distance of two states. Read-out `mean` averages them; `last` takes the last forward and the first backward one.
  /// Throws Error(kInternal) for a time that is not finite.
  Matrix speech(std::span<const float> pcm, std::span<const double> times_s) const;

 private:
  /// A range of rows, `end` not included.
  struct Rows {
    int begin = 0, end = 0;
    bool empty() const { return begin >= end; }
  };
  Rows speech_rows(std::span<const float> pcm, int rows) const;
  Matrix prepare(const Matrix& features, Rows kept) const;
  Rows window(double time_s, int first_row, int states) const;
  void fully_connected(std::span<const double> z, float* au) const;

  SpeechConfig config_;
  Mfcc mfcc_;
  Lstm lstm_;
  std::vector<float> fc_weight_, fc_bias_;  // (AUs, hidden * directions), (AUs)
};

}  // namespace emo
