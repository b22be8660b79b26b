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

// --- standardise ---

constexpr int kThreads = 256;

// A block a feature.
__global__ void standardise_kernel(const float* features, int columns, int begin, int end, int stride, bool subtracted,
                                   const double* mean, const double* std, float* out) {
  SharedMemory smem;
  double* sums = smem.take<double>(kThreads);
  const int i = blockIdx.x;
  double shift = 0;
  if (subtracted) {
    double sum = 0;
    for (int t = begin + threadIdx.x; t < end; t += kThreads) sum += features[size_t(t) * columns + i];
    sums[threadIdx.x] = sum;
    for (int half = kThreads / 2; half > 0; half /= 2) {
      __syncthreads();  // both terms are there
      if (int(threadIdx.x) < half) sums[threadIdx.x] += sums[threadIdx.x + half];
    }
    __syncthreads();  // the sum is there
    shift = sums[0] / (end - begin);
  }
  for (int s = threadIdx.x; begin + s * stride < end; s += kThreads) {
    const double x = features[size_t(begin + s * stride) * columns + i] - shift;
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

void standardise(const float* features, int columns, int begin, int end, int stride, bool subtracted, const double* mean,
                 const double* std, float* out, cudaStream_t stream) {
  launch("standardise", concat('(', end - begin, ',', columns, ')'), standardise_kernel,
         {.grid = unsigned(columns), .block = kThreads, .smem = kThreads * sizeof(double), .stream = stream}, features,
         columns, begin, end, stride, subtracted, mean, std, out);
}

}  // namespace emo
