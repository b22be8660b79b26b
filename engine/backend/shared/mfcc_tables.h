#pragma once

#include <span>
#include <vector>

#include "weights/config.h"

namespace emo {

/// A triangle on the frequency axis: weights[i] is that of FFT bin first_bin + i.
struct MelBand {
  int first_bin = 0;
  std::vector<float> weights;
};

/// What the MFCC of a config multiplies by; the formulas are in engine/backend/cpu/mfcc.h.
struct MfccTables {
  std::vector<float> window;   ///< (win_length), a periodic Hann window
  std::vector<MelBand> bands;  ///< (n_mels)
  std::vector<float> dct;      ///< (n_mels, n_mfcc), orthonormal DCT-II

  /// A config that check() lets pass.
  explicit MfccTables(const SpeechConfig& config);
};

/// Throws Error(kInput) for a clip without samples and for a sample that is NaN, infinite or beyond 1e12.
void check_clip(std::span<const float> pcm);

}  // namespace emo
