#pragma once

#include <cuda_runtime.h>

#include <cstdint>

/// What stands between a clip's MFCC and its LSTM: how loud it is where, and features as the network was trained on them.
namespace emo {

/// energies[i] = mean square of pcm[i*hop ... + window), zeros after the end of a shorter clip. Summed in fp64 in the order
/// of the samples: the bits that a plain loop gives on a CPU, so that both find the same windows loud.
///
/// pcm  (samples), samples > 0, device.   energies  (count), device; only the first window may reach past the end.
/// Throws Error when the launch fails.
void window_energies(const float* pcm, std::int64_t samples, int window, int hop, double* energies, int count,
                     cudaStream_t stream);

/// Two numbers a frame of a log-mel spectrogram, (level, change): what engine/backend/shared/voice_activity.h chooses frames
/// by, in its order of sums. `lag` frames before the first stands the first; bands further than range_db under the strongest
/// of both frames do not count.
///
/// log_mel  (frames, n_mels), device.   out  (frames), device.
/// Throws Error when the launch fails.
void frame_measures(const float* log_mel, int frames, int n_mels, int lag, float range_db, float2* out, cudaStream_t stream);

/// out[s,i] = (features[rows[s*stride], i] - utterance mean[i] - mean[i]) / std[i], in fp64 up to the last rounding; the
/// utterance mean, over all `count` rows, is 0 unless it is `subtracted`.
///
/// features   (any number of rows, columns), device.   rows  (count), device.   mean, std  (columns), device.
/// out        (ceil(count / stride), columns), device, apart from features.
/// Throws Error when the launch fails.
void standardise(const float* features, int columns, const int* rows, int count, int stride, bool subtracted,
                 const double* mean, const double* std, float* out, cudaStream_t stream);

}  // namespace emo
