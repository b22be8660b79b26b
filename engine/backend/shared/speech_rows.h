#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "weights/config.h"

/// Which rows of a clip's features reach the LSTM, and which of its states an answer reads.
namespace emo {

/// A range of rows, `end` not included.
struct Rows {
  int begin = 0, end = 0;
  bool empty() const { return begin >= end; }
  int count() const { return empty() ? 0 : end - begin; }
};

/// Windows whose energies speech_rows() looks at: number i is pcm[i*hop ... + win_length), not centred, zeros after the end
/// of a shorter clip.
int energy_windows(std::size_t samples, const SpeechConfig& config);

/// The rows of a clip's `rows` features that hold speech. A window is loud when its energy (mean square) is at least
/// 10^(-trim_db/10) of the loudest's. Of the first and last loud windows a and b, rows [a - pad, b + pad) are kept, cut at
/// the clip's ends, and at least row a. trim_db < 0 keeps all. None are kept of a clip whose loudest window stays at or
/// below -90 dBFS, one step of 16-bit sound.
Rows speech_rows(std::span<const double> energies, int rows, const SpeechConfig& config);

/// Every frame_stride-th row heard becomes a state, beginning with the first.
int states_of(int rows, const SpeechConfig& config);

/// The states that the answer at a time reads, of a clip of which `rows` (ascending) are heard. State s stands at the centre
/// of its MFCC frame, rows[s * stride] * hop / rate. A window takes in those from time - w/2 to time + w/2, both included, w
/// being readout_window_s or, when that is shorter, the distance of two states.
Rows states_around(double time_s, std::span<const int> rows, const SpeechConfig& config);

/// Throws Error(kInternal) for a time that is not finite.
void check_times(std::span<const double> times_s);

/// Throws Error(kModel) naming the model's file when its answers hold NaN or infinity.
void check_answers(std::span<const float> aus, const std::string& model);

}  // namespace emo
