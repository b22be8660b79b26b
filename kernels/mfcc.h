#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

/// Mel-frequency cepstral coefficients, all but the Fourier transform between frames and spectrum. The formulas are those of
/// engine/backend/cpu/mfcc.h; tables come from the caller.
namespace emo {

struct MfccShape {
  std::int64_t samples = 0;
  int n_fft = 0, win_length = 0, hop_length = 0;
  int n_mels = 0, n_mfcc = 0;
  bool deltas = false;

  int bins() const { return n_fft / 2 + 1; }
  /// A clip too short to be reflected is followed by zeros.
  std::int64_t padded() const { return std::max(samples, std::int64_t(bins())); }
  int frames() const { return 1 + int(padded() / hop_length); }
  int features() const { return deltas ? 3 * n_mfcc : n_mfcc; }
};

/// Frames [first, first + count) of the clip under the window, zeros on both sides of it.
///
/// pcm  (samples), device.   window  (win_length), device.   out  (count, n_fft), device.
/// Throws Error when the launch fails.
void window_frames(const float* pcm, const MfccShape& shape, const float* window, int first, int count, float* out,
                   cudaStream_t stream);

/// Triangles on the frequency axis, device: band m weighs bin first_bin[m] + i by weights[begin[m] + i], i < begin[m+1] -
/// begin[m].
struct MelBands {
  const int* first_bin = nullptr;  ///< (n_mels)
  const int* begin = nullptr;      ///< (n_mels + 1)
  const float* weights = nullptr;
};

/// mel[m] = sum of weights * |spectrum|^2;  out = loudest ? 10 log10 max(1e-10, mel) : log(mel + 1e-6)
///
/// spectrum  (count, bins()), device.   out  (count, n_mels), device.
/// loudest   one word for the clip, device, 0 before its first frames: raised to the largest value of out, in the order
///           that cepstrum() reads. Null asks for the natural logarithm.
/// Throws Error when the launch fails.
void log_mel(const float2* spectrum, const MfccShape& shape, const MelBands& bands, int count, float* out, unsigned* loudest,
             cudaStream_t stream);

/// Where the bands end below, and from where they count.
struct MelFloor {
  const unsigned* loudest = nullptr;  ///< what log_mel() left: the floor lies top_db under it; null: `floor` is it
  float top_db = 0;
  float floor = -INFINITY;
  float reference = 0;
};

/// out[t,k] = sum over m of (max(floor, log_mel[t,m]) - reference) * dct[m,k]; with `deltas` the slopes over 5 frames of
/// these follow, and the slopes of those. Apart from log_mel(), since the floor is known after the clip's last frame.
///
/// log_mel  (frames(), n_mels), device.   dct  (n_mels, n_mfcc), device.   out  (frames(), features()), device.
/// Throws Error when the launch fails.
/// Source: Davis and Mermelstein 1980; torchaudio 2.
void cepstrum(const float* log_mel, const MfccShape& shape, const float* dct, const MelFloor& floor, float* out,
              cudaStream_t stream);

}  // namespace emo
