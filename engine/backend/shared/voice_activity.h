#pragma once

#include <span>
#include <vector>

#include "weights/config.h"

/// Which frames of a sound hold a voice, and how loud it is, for models with SpeechConfig::voice_change_db.
///
/// All is decided from two numbers a frame, of its log-mel spectrum (dB, without a floor), so that a device sends back no
/// more:
///
///   level[t]   the strongest band
///   change[t]  the mean over bands of |mel[t] - mel[t-3]|, of those within 30 dB of the strongest in t or in t-3; before
///              the first frame stands the first. Steady tones, hum and held notes change by 0 to 2 dB, speech by 3 and more
///
///   noise      the level that all but 2 % of the frames reach, of those at -60 dB or more (some -90 dBFS); -60 without any
///   candidate  change[t] >= voice_change_db and level[t] >= noise + voice_over_noise_db
///   voice      a candidate with 7 or more, itself among them, in t-5 .. t+5: a click has 4, a beep 6
///   reference  the level that level_frames frames of voice reach, or a quarter of them when those are fewer
///   loud       voice and level[t] >= reference - trim_db (trim_db < 0: all)
///   kept       frames with a loud one in t - voice_hold_frames .. t + trim_pad_frames
///
/// The network's input takes its bands relative to the reference, raised to -top_db:  max(mel, reference - top_db) -
/// reference  (top_db < 0: no floor).
namespace emo {

struct FrameMeasure {
  float level = 0, change = 0;  ///< dB
};

inline constexpr int kChangeFrames = 3;            ///< from t back to the frame it is compared with
inline constexpr float kChangeRange_db = 30;       ///< bands further under the strongest count as silent
inline constexpr float kQuiet_db = -60;            ///< a level of silence
inline constexpr int kReach = 5, kCandidates = 7;  ///< frames to either side that confirm a candidate; how many are needed

/// Of a log-mel spectrum and the one three frames before, (n_mels) each.
FrameMeasure measure(std::span<const float> mel, std::span<const float> before);

/// The rows of a clip that the network hears, and the reference level.
struct VoiceRows {
  std::vector<int> rows;  ///< ascending; empty: no voice
  float reference_db = 0;
};
VoiceRows voice_rows(std::span<const FrameMeasure> frames, const SpeechConfig& config);

/// What bands are raised to, so that they come out at -top_db or more.
float voice_floor(float reference_db, const SpeechConfig& config);

}  // namespace emo
