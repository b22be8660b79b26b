#pragma once

#include <memory>
#include <span>
#include <vector>

#include "engine/backend/backend.h"
#include "engine/backend/shared/mfcc_tables.h"
#include "weights/config.h"

struct kiss_fftr_state;

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
  /// The spectrum of one frame at a time, with scratch of its own. `mfcc` must outlive it.
  class Frame {
   public:
    explicit Frame(const Mfcc& mfcc);
    /// samples (win_length), out (n_mels): in log_mode, without a floor.
    void log_mel(std::span<const float> samples, std::span<float> out);

   private:
    struct FreeFft {
      void operator()(kiss_fftr_state* fft) const;
    };
    const Mfcc& mfcc_;
    std::unique_ptr<kiss_fftr_state, FreeFft> fft_;
    std::vector<float> frame_, power_;
    std::vector<float> spectrum_;  // (bins, 2)
  };

  /// A config that check() lets pass; n_fft is even there because KissFFT's real transform takes no other.
  explicit Mfcc(const SpeechConfig& config) : config_(config), tables_(config) {}

  /// pcm at the model's rate, full scale 1. Gives (T, features), T = 1 + samples / hop, the zeros appended counted.
  /// Throws as check_clip() does.
  Matrix operator()(std::span<const float> pcm) const;

  /// The two steps of it: mel (T, n_mels) without a floor; then the DCT, and slopes, of max(mel, floor) - reference.
  Matrix log_mel(std::span<const float> pcm) const;
  Matrix cepstrum(const Matrix& mel, float floor, float reference) const;

 private:
  SpeechConfig config_;
  MfccTables tables_;
};

}  // namespace emo
