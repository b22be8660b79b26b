#include "engine/backend/cpu/mfcc.h"

#include <kiss_fftr.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <limits>
#include <memory>
#include <new>
#include <vector>

namespace emo {
namespace {

/// Writes to columns [to, to + n) of each row the slope of columns [from, from + n) over 5 frames, by least squares:
/// d[t] = sum_k k x[t+k] / sum_k k^2, k = -2..2, with the first and last row repeated outside.
void add_slopes(Matrix& x, int from, int to, int n) {
  for (int t = 0; t < x.rows; ++t) {
    float* slope = x.row(t) + to;
    for (int k = 1; k <= 2; ++k) {
      const float* after = x.row(std::min(t + k, x.rows - 1)) + from;
      const float* before = x.row(std::max(t - k, 0)) + from;
      for (int i = 0; i < n; ++i) slope[i] += float(k) / 10 * (after[i] - before[i]);
    }
  }
}

}  // namespace

Matrix Mfcc::log_mel(std::span<const float> pcm) const {
  struct FreeFft {
    void operator()(kiss_fftr_state* fft) const { kiss_fftr_free(fft); }
  };
  // One a call: KissFFT keeps its scratch in the state, so threads cannot share it.
  const std::unique_ptr<kiss_fftr_state, FreeFft> fft(kiss_fftr_alloc(config_.n_fft, 0, nullptr, nullptr));
  if (!fft) throw std::bad_alloc();

  const auto samples = std::ptrdiff_t(pcm.size());
  const int n_fft = config_.n_fft, bins = n_fft / 2 + 1;
  const std::ptrdiff_t padded = std::max(samples, std::ptrdiff_t(bins));
  const auto sample_at = [&](std::ptrdiff_t i) {  // ... 2 1 | 0 1 2 ... n-1 | n-2 n-3 ...
    i = std::abs(i);
    if (i >= padded) i = 2 * (padded - 1) - i;
    return i < samples ? pcm[std::size_t(i)] : 0.f;
  };

  Matrix out(1 + int(padded / config_.hop_length), config_.n_mels);
  const int left = (n_fft - config_.win_length) / 2;
  std::vector<float> frame(n_fft), power(bins);
  std::vector<kiss_fft_cpx> spectrum(bins);
  for (int t = 0; t < out.rows; ++t) {
    const std::ptrdiff_t start = std::ptrdiff_t(t) * config_.hop_length - n_fft / 2 + left;
    const bool inside = start >= 0 && start + config_.win_length <= samples;
    for (int i = 0; i < config_.win_length; ++i) {
      frame[left + i] = tables_.window[i] * (inside ? pcm[std::size_t(start + i)] : sample_at(start + i));
    }
    kiss_fftr(fft.get(), frame.data(), spectrum.data());
    for (int i = 0; i < bins; ++i) power[i] = spectrum[i].r * spectrum[i].r + spectrum[i].i * spectrum[i].i;
    for (int m = 0; m < out.cols; ++m) {
      const MelBand& band = tables_.bands[m];
      float mel = 0;
      for (std::size_t i = 0; i < band.weights.size(); ++i) mel += band.weights[i] * power[band.first_bin + i];
      out.row(t)[m] = config_.log_mode == "ln" ? std::log(mel + 1e-6f) : 10 * std::log10(std::max(1e-10f, mel));
    }
  }
  return out;
}

Matrix Mfcc::operator()(std::span<const float> pcm) const {
  check_clip(pcm);
  const Matrix mel = log_mel(pcm);
  float floor = -std::numeric_limits<float>::infinity();
  if (config_.log_mode == "db_power" && config_.top_db >= 0) {
    floor = *std::max_element(mel.values.begin(), mel.values.end()) - float(config_.top_db);
  }

  const int n = config_.n_mfcc;
  Matrix out(mel.rows, config_.features());
  for (int t = 0; t < mel.rows; ++t) {
    float* mfcc = out.row(t);
    for (int m = 0; m < mel.cols; ++m) {
      const float v = std::max(floor, mel.row(t)[m]);
      const float* basis = &tables_.dct[std::size_t(m) * n];
#pragma omp simd
      for (int k = 0; k < n; ++k) mfcc[k] += v * basis[k];
    }
  }
  if (config_.deltas) {
    add_slopes(out, 0, n, n);
    add_slopes(out, n, 2 * n, n);
  }
  return out;
}

}  // namespace emo
