#pragma once

#include <span>
#include <vector>

#include "engine/expression/au_curve.h"

/// Lips that move with a voice, from the sound alone. What is heard is how open the mouth is and whether the lips are
/// spread; which vowel it is cannot be shown, since no AU here rounds the lips.
///
/// For every 10 ms, from the spectrum's envelope S (linear prediction over 25 ms, one coefficient pair a kHz and two more):
///
///   level    dB of S in 450 .. 2800 Hz, where vowels are strong, /m n/ weak, and stops and pauses silent
///   height   0 to 1: the centre of S in 200 .. 1100 Hz, the first formant, between this speaker's closed and open vowels
///            (the 10th and 90th percentile of loud frames)
///   front    0 to 1: the centre of S in 1000 .. 3000 Hz, the second formant, likewise
///   hiss     0 to 1: how far 3400 .. 5500 Hz lies above `level`, 10 dB being 1: /s f/ keep the lips nearly shut
///
///   loud     (level - floor) / (reference - floor), 0 to 1. reference: what 15 % of the frames with voice reach; floor:
///            20 dB under it, or 4 dB over the noise, but 8 dB under it at least
///   opening  loud (0.45 + 0.55 height) (1 - 0.7 hiss)          spread  loud front (1 - height) (1 - hiss)
///
/// both smoothed with 30 ms up and 50 ms down, so that the 40 to 120 ms of a /p b m/ shut the mouth.
namespace emo {

struct LipTrack {
  std::vector<float> opening, spread;  ///< at 0, 10, 20 ... ms, 0 to 1; empty for no sound
};

/// Listens to a mono clip, finite, full scale 1, of at least 8000 samples a second. A clip below -60 dB is silence, and one
/// that never falls 8 dB below its reference is no voice: both move no lips.
LipTrack hear_lips(std::span<const float> pcm, int rate_hz);

/// Raises AU25 (lips part), AU26 (jaw drop) and AU20 (lips stretched), where the curve has them, to what the lips do times
/// `amount` (1: as people speak; 0: not at all): the greater of both counts, so an open mouth stays open. Lips move before
/// they are heard: 25 ms. Before and after the sound they are still.
void add_lips(AuCurve& curve, const LipTrack& lips, double amount);

/// Whether an AU is one of those.
bool moves_with_lips(std::string_view au);

}  // namespace emo
