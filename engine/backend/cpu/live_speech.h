#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <vector>

#include "engine/backend/backend.h"
#include "engine/backend/cpu/lstm.h"
#include "engine/backend/cpu/mfcc.h"
#include "engine/backend/cpu/speech.h"
#include "engine/backend/shared/voice_activity.h"
#include "weights/model_file.h"

namespace emo {

/// Model B on a stream, on the CPU: CpuSpeech, to whom at each frame the last kLiveFrames are the clip. Frame t stands at
/// t * hop / rate, its window reaches win_length / 2 samples further.
///
///   voice[t]   voice_rows() of the frames t - kLiveFrames + 1 .. t: rows and reference
///   kept       k, when voice[k + kReach + trim_pad_frames] has it: so much later it is decided on
///   x[k]       DCT of max(mel[k] - reference, -top_db), less the mean of the same over that voice's rows; without the mean
///              where the model has none
///   input      (x[k] - feature_mean) / feature_std
///   states     the LSTM's, of kept frames 1, 1 + frame_stride, 1 + 2 * frame_stride ...
///   row        at a time, the read-out of the states in time - live_window_s .. time; zeros when there are none
///
/// So while less than kLiveFrames have come, the level, the mean and the noise floor are those of the clip up to now.
///
/// Before the stream its sound is mirrored, as in a clip. A row is given as soon as the last frame up to its time is decided
/// on, delay_s() after that time at most. Every sum runs over frames, never over blocks: any cutting of the stream gives the
/// same bytes. Memory is bounded by kLiveFrames and live_window_s.
class CpuLiveSpeech {
 public:
  /// Rows at 0, 1/fps, 2/fps ... Throws Error(kModel) for a model that is bidirectional or has no voice_change_db, and for
  /// one that decides later than kMostDelay_s.
  CpuLiveSpeech(const ModelFile& model, double fps);
  CpuLiveSpeech(const CpuLiveSpeech&) = delete;  // its parts know where the others are
  CpuLiveSpeech& operator=(const CpuLiveSpeech&) = delete;

  static constexpr double kMostDelay_s = 0.12;
  static constexpr int kLiveFrames = 600;

  double delay_s() const;

  /// Takes the next samples, any number. Gives the AUs (rows, AUs) that they decide, as the FC layer gives them, not
  /// clamped. Throws Error(kInput) for NaN, infinity or a sample beyond 1e12, before any of them is taken; Error(kModel)
  /// naming the file when an answer holds NaN or infinity.
  Matrix push(std::span<const float> pcm);

 private:
  struct State {
    std::int64_t frame;
    std::vector<float> h;
  };
  void take_frame(std::span<const float> samples, Matrix& out);
  int delay_frames() const { return kReach + config_.trim_pad_frames; }
  void hear(int row, const VoiceRows& voice, std::int64_t frame);
  void answer(double time_s, float* au) const;

  std::string name_;
  SpeechConfig config_;
  double fps_;
  Mfcc mfcc_;
  Lstm lstm_;
  FullyConnected fc_;
  Mfcc::Frame spectrum_;
  Lstm::Stream stream_;

  std::int64_t samples_ = 0, frames_ = 0, rows_ = 0, heard_ = 0;  // taken, taken, given, kept
  std::vector<float> pcm_;                                        // the newest samples, which a frame still needs
  std::deque<std::vector<float>> mels_;                           // of the last kLiveFrames
  std::vector<FrameMeasure> measures_;                            // of the same
  std::deque<State> states_;                                      // of the window
};

}  // namespace emo
