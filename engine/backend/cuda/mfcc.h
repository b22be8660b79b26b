#pragma once

#include <span>

#include "engine/backend/cuda/libraries.h"
#include "engine/backend/cuda/memory.h"
#include "kernels/mfcc.h"
#include "weights/config.h"

namespace emo {

/// MFCC on the device, with the answers of engine/backend/cpu/mfcc.h. Thread-safe; a workspace serves one call at a time.
class CudaMfcc {
 public:
  /// A config that check() lets pass.
  explicit CudaMfcc(const SpeechConfig& config);

  /// Frames go through the transform so many at once, in a plan made once: making one takes longer than a clip.
  static constexpr int kPiece = 512;

  struct Workspace {
    Workspace(const SpeechConfig& config, cudaStream_t stream);

    Fft fft;
    DeviceBuffer<float> frames;      ///< (kPiece, n_fft)
    DeviceBuffer<float2> spectrum;   ///< (kPiece, n_fft / 2 + 1)
    DeviceBuffer<unsigned> loudest;  ///< (1)
    DeviceBuffer<float> log_mel;     ///< (frames, n_mels), of the longest clip so far
  };

  MfccShape shape(std::size_t samples) const;

  /// The two steps of operator(): mel (frames, n_mels) without a floor, with `loudest` the clip's; then the DCT and slopes.
  void log_mel(const float* pcm, const MfccShape& shape, float* mel, unsigned* loudest, Workspace& workspace,
               cudaStream_t stream) const;
  void cepstrum(const float* mel, const MfccShape& shape, const MelFloor& floor, float* out, cudaStream_t stream) const;

  /// pcm (shape.samples), out (shape.frames(), shape.features()), device. Waits for nothing.
  void operator()(const float* pcm, const MfccShape& shape, float* out, Workspace& workspace, cudaStream_t stream) const;

 private:
  SpeechConfig config_;
  DeviceBuffer<float> window_, band_weights_, dct_;
  DeviceBuffer<int> first_bin_, band_begin_;
};

}  // namespace emo
