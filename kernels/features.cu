#include <algorithm>
#include <cstddef>

#include "kernels/common.cuh"
#include "kernels/features.h"
#include "kernels/launch.h"

namespace emo {
namespace {

// --- energies ---

constexpr int kEnergyThreads = 128;
constexpr int kMostWindows = 8;                    // of a block; each is one thread's sum, 8 clocks a sample
constexpr int kSpan = (48 << 10) / sizeof(float);  // samples of a block, unless one window alone has more

__global__ void window_energies_kernel(const float* pcm, std::int64_t samples, int window, int hop, double* energies,
                                       int count, int windows) {
  SharedMemory smem;
  float* span = smem.take<float>(size_t(windows - 1) * hop + window);
  const int first = blockIdx.x * windows, here = min(windows, count - first);
  const std::int64_t begin = std::int64_t(first) * hop;
  const int length = int(min(std::int64_t(here - 1) * hop + window, samples - begin));
  for (int i = threadIdx.x; i < length; i += kEnergyThreads) span[i] = pcm[begin + i];
  __syncthreads();  // all samples are there
  if (int(threadIdx.x) >= here) return;
  double energy = 0;
  const float* from = span + threadIdx.x * hop;
  for (int i = 0; i < min(window, length); ++i) energy += double(from[i]) * from[i];  // exact but for the addition
  energies[first + threadIdx.x] = energy / window;
}

// --- measures ---

// A thread a frame: its two sums of some 64 bands cost little beside the frame's transform, and the cache has its rows.
constexpr int kMeasureThreads = 64;

__global__ void frame_measures_kernel(const float* log_mel, int frames, int n_mels, int lag, float range_db, float2* out) {
  const int t = blockIdx.x * kMeasureThreads + threadIdx.x;
  if (t >= frames) return;
  const float* mel = log_mel + size_t(t) * n_mels;
  const float* before = log_mel + size_t(max(0, t - lag)) * n_mels;
  float level = mel[0], level_before = before[0];
  for (int m = 1; m < n_mels; ++m) {
    level = fmaxf(level, mel[m]);
    level_before = fmaxf(level_before, before[m]);
  }
  float sum = 0.f;
  int count = 0;
  for (int m = 0; m < n_mels; ++m) {
    if (mel[m] < level - range_db && before[m] < level_before - range_db) continue;
    sum += fabsf(mel[m] - before[m]);
    ++count;
  }
  out[t] = {level, sum / float(count)};
}

// --- standardise ---

constexpr int kThreads = 256;

// A block a feature.
__global__ void standardise_kernel(const float* features, int columns, const int* rows, int count, int stride,
                                   bool subtracted, const double* mean, const double* std, float* out) {
  SharedMemory smem;
  double* sums = smem.take<double>(kThreads);
  const int i = blockIdx.x;
  double shift = 0;
  if (subtracted) {
    double sum = 0;
    for (int t = threadIdx.x; t < count; t += kThreads) sum += features[size_t(rows[t]) * columns + i];
    sums[threadIdx.x] = sum;
    for (int half = kThreads / 2; half > 0; half /= 2) {
      __syncthreads();  // both terms are there
      if (int(threadIdx.x) < half) sums[threadIdx.x] += sums[threadIdx.x + half];
    }
    __syncthreads();  // the sum is there
    shift = sums[0] / count;
  }
  for (int s = threadIdx.x; s * stride < count; s += kThreads) {
    const double x = features[size_t(rows[s * stride]) * columns + i] - shift;
    out[size_t(s) * columns + i] = float((x - mean[i]) / std[i]);
  }
}

}  // namespace

void window_energies(const float* pcm, std::int64_t samples, int window, int hop, double* energies, int count,
                     cudaStream_t stream) {
  const int windows = std::clamp((kSpan - window) / hop + 1, 1, kMostWindows);
  launch("window_energies", concat('(', count, ',', window, ')'), window_energies_kernel,
         {.grid = unsigned(ceil_div(count, windows)),
          .block = kEnergyThreads,
          .smem = (std::size_t(windows - 1) * hop + window) * sizeof(float),
          .stream = stream},
         pcm, samples, window, hop, energies, count, windows);
}

void frame_measures(const float* log_mel, int frames, int n_mels, int lag, float range_db, float2* out,
                    cudaStream_t stream) {
  launch("frame_measures", concat('(', frames, ',', n_mels, ')'), frame_measures_kernel,
         {.grid = unsigned(ceil_div(frames, kMeasureThreads)), .block = kMeasureThreads, .stream = stream}, log_mel, frames,
         n_mels, lag, range_db, out);
}

void standardise(const float* features, int columns, const int* rows, int count, int stride, bool subtracted,
                 const double* mean, const double* std, float* out, cudaStream_t stream) {
  launch("standardise", concat('(', count, ',', columns, ')'), standardise_kernel,
         {.grid = unsigned(columns), .block = kThreads, .smem = kThreads * sizeof(double), .stream = stream}, features,
         columns, rows, count, stride, subtracted, mean, std, out);
}

}  // namespace emo
