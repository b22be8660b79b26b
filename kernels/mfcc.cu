#include <cmath>
#include <cstddef>

#include "kernels/common.cuh"
#include "kernels/launch.h"
#include "kernels/mfcc.h"

namespace emo {
namespace {

// --- frames ---

constexpr int kFrameThreads = 128;

// A block a frame.
__global__ void window_frames_kernel(const float* pcm, MfccShape shape, std::int64_t padded, const float* window, int first,
                                     float* out) {
  const std::int64_t start = std::int64_t(first + int(blockIdx.x)) * shape.hop_length - shape.n_fft / 2;
  const int left = (shape.n_fft - shape.win_length) / 2;
  out += size_t(blockIdx.x) * shape.n_fft;
  for (int i = threadIdx.x; i < shape.n_fft; i += kFrameThreads) {
    std::int64_t at = start + i;
    if (at < 0) at = -at;  // ... 2 1 | 0 1 2 ... n-1 | n-2 n-3 ...
    if (at >= padded) at = 2 * (padded - 1) - at;
    const bool heard = i >= left && i < left + shape.win_length && at < shape.samples;
    out[i] = heard ? window[i - left] * pcm[at] : 0.f;
  }
}

// --- mel ---

constexpr int kMelThreads = 128;

/// Floats in an order that unsigned integers share; 0 lies under them all.
__device__ unsigned ordered(float v) {
  const unsigned bits = __float_as_uint(v);
  return bits >> 31 ? ~bits : bits | 0x80000000u;
}
__device__ float from_ordered(unsigned v) { return __uint_as_float(v >> 31 ? v & 0x7fffffffu : ~v); }

// A block a frame.
__global__ void log_mel_kernel(const float2* spectrum, int bins, int n_mels, MelBands bands, float* out, unsigned* loudest) {
  SharedMemory smem;
  float* power = smem.take<float>(bins);
  spectrum += size_t(blockIdx.x) * bins;
  for (int i = threadIdx.x; i < bins; i += kMelThreads) {
    const float2 v = spectrum[i];
    power[i] = v.x * v.x + v.y * v.y;
  }
  __syncthreads();  // all bins are there

  float most = -INFINITY;
  for (int m = threadIdx.x; m < n_mels; m += kMelThreads) {
    const float* weights = bands.weights + bands.begin[m];
    const float* from = power + bands.first_bin[m];
    const int count = bands.begin[m + 1] - bands.begin[m];
    float mel = 0.f;
    for (int i = 0; i < count; ++i) mel = fmaf(weights[i], from[i], mel);
    const float v = loudest ? 10.f * log10f(fmaxf(1e-10f, mel)) : logf(mel + 1e-6f);
    out[size_t(blockIdx.x) * n_mels + m] = v;
    most = fmaxf(most, v);
  }
  if (!loudest) return;
  most = warp_max(most);
  if (lane_id() == 0) atomicMax(loudest, ordered(most));
}

// --- cepstrum ---

constexpr int kThreads = 256;
constexpr int kRows = 8;   // of a block
constexpr int kReach = 2;  // of a slope, to either side

/// Rows that a block keeps: coefficients for itself and two slopes around, slopes for itself and one around.
__host__ __device__ constexpr int kept_rows(bool deltas) { return deltas ? kRows + 4 * kReach + kRows + 2 * kReach : kRows; }

/// Consecutive rows of the clip, from `first`.
struct Rows {
  const float* values;
  int first, columns;

  __device__ float at(int t, int k) const { return values[(t - first) * columns + k]; }
  /// Least squares over 5 frames, the clip's first and last repeated outside.
  __device__ float slope(int t, int k, int frames) const {
    float slope = 0.f;
    for (int i = 1; i <= kReach; ++i) {
      slope += float(i) / 10.f * (at(min(t + i, frames - 1), k) - at(max(t - i, 0), k));
    }
    return slope;
  }
};

__global__ void __launch_bounds__(kThreads)
    cepstrum_kernel(const float* log_mel, MfccShape shape, int frames, const float* dct, MelFloor bounds, float* out) {
  const int n = shape.n_mfcc, begin = blockIdx.x * kRows, end = min(begin + kRows, frames);
  SharedMemory smem;
  float* coefficients = smem.take<float>(kept_rows(shape.deltas) * n);
  float* slopes = coefficients + (kRows + 4 * kReach) * n;
  const auto around = [&](int reach) { return int2{max(begin - reach, 0), min(end + reach, frames)}; };

  const float floor = bounds.loudest ? from_ordered(*bounds.loudest) - bounds.top_db : bounds.floor;
  const int2 wide = around(shape.deltas ? 2 * kReach : 0);
  for (int i = threadIdx.x; i < (wide.y - wide.x) * n; i += kThreads) {
    const float* mel = log_mel + size_t(wide.x + i / n) * shape.n_mels;
    float sum = 0.f;
    for (int m = 0; m < shape.n_mels; ++m) sum = fmaf(fmaxf(floor, mel[m]) - bounds.reference, dct[m * n + i % n], sum);
    coefficients[i] = sum;
  }
  __syncthreads();  // all coefficients are there
  const Rows x{coefficients, wide.x, n};
  const int2 less_wide = around(kReach);
  const Rows dx{slopes, less_wide.x, n};
  if (shape.deltas) {
    for (int i = threadIdx.x; i < (less_wide.y - less_wide.x) * n; i += kThreads) {
      slopes[i] = x.slope(less_wide.x + i / n, i % n, frames);
    }
    __syncthreads();  // all slopes are there
  }

  const int features = shape.deltas ? 3 * n : n;
  for (int i = threadIdx.x; i < (end - begin) * features; i += kThreads) {
    const int t = begin + i / features, k = i % features;
    out[size_t(begin) * features + i] = k < n ? x.at(t, k) : k < 2 * n ? dx.at(t, k - n) : dx.slope(t, k - 2 * n, frames);
  }
}

}  // namespace

void window_frames(const float* pcm, const MfccShape& shape, const float* window, int first, int count, float* out,
                   cudaStream_t stream) {
  launch("window_frames", concat('(', count, ',', shape.n_fft, ')'), window_frames_kernel,
         {.grid = unsigned(count), .block = kFrameThreads, .stream = stream}, pcm, shape, shape.padded(), window, first,
         out);
}

void log_mel(const float2* spectrum, const MfccShape& shape, const MelBands& bands, int count, float* out, unsigned* loudest,
             cudaStream_t stream) {
  launch("log_mel", concat('(', count, ',', shape.bins(), ')'), log_mel_kernel,
         {.grid = unsigned(count), .block = kMelThreads, .smem = shape.bins() * sizeof(float), .stream = stream}, spectrum,
         shape.bins(), shape.n_mels, bands, out, loudest);
}

void cepstrum(const float* log_mel, const MfccShape& shape, const float* dct, const MelFloor& floor, float* out,
              cudaStream_t stream) {
  launch("cepstrum", concat('(', shape.frames(), ',', shape.features(), ')'), cepstrum_kernel,
         {.grid = unsigned(ceil_div(shape.frames(), kRows)),
          .block = kThreads,
          .smem = std::size_t(kept_rows(shape.deltas)) * shape.n_mfcc * sizeof(float),
          .stream = stream},
         log_mel, shape, shape.frames(), dct, floor, out);
}

}  // namespace emo
