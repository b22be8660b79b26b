#pragma once

#include <span>

#include "engine/backend/backend.h"
#include "engine/backend/shared/mfcc_tables.h"
#include "weights/config.h"

namespace emo {

/// Mel-frequency cepstral coefficients of a mono clip, as torchaudio.transforms.MFCC computes them.
///
///   frame t     pcm[t*hop - n_fft/2 ...] under a periodic Hann window of win_length, centred in n_fft samples
///   mel[t,m]    |FFT|^2 under n_mels triangles of height 1 (htk or slaney scale, no area normalisation)
///   log_mode    db_power: 10 log10 max(1e-10, mel), raised to the clip's maximum - top_db;  ln: log(mel + 1e-6)
///   mfcc[t,k]   orthonormal DCT-II over m, the first n_mfcc; with `deltas` the differences over 5 frames (edges
///               repeated), and the differences of those, follow in the same row
///
/// Both ends of the clip are padded by reflection. A clip of n_fft/2 samples or fewer has too few to reflect: zeros are
/// appended up to n_fft/2 + 1 samples first.
/// Source: Davis and Mermelstein 1980; torchaudio 2.
class Mfcc {
 public:
  /// A config that check() lets pass; n_fft is even there because KissFFT's real transform takes no other.
  explicit Mfcc(const SpeechConfig& config) : config_(config), tables_(config) {}

  /// pcm at the model's rate, full scale 1. Gives (T, features), T = 1 + samples / hop, the zeros appended counted.
  /// Throws as check_clip() does.
  Matrix operator()(std::span<const float> pcm) const;

 private:
  Matrix log_mel(std::span<const float> pcm) const;

  SpeechConfig config_;
  MfccTables tables_;
};

}  // namespace emo
