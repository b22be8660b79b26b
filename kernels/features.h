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

/// out[s,i] = (features[begin + s*stride, i] - utterance mean[i] - mean[i]) / std[i], in fp64 up to the last rounding; the
/// utterance mean, over the rows [begin, end), is 0 unless it is `subtracted`.
///
/// features   (rows, columns), device.   mean, std  (columns), device.
/// out        (ceil((end - begin) / stride), columns), device, apart from features.
/// Throws Error when the launch fails.
void standardise(const float* features, int columns, int begin, int end, int stride, bool subtracted, const double* mean,
                 const double* std, float* out, cudaStream_t stream);

}  // namespace emo
