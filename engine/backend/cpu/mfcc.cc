#include "engine/backend/cpu/mfcc.h"

#include <kiss_fftr.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <limits>
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

Mfcc::Frame::Frame(const Mfcc& mfcc)
    : mfcc_(mfcc),
      fft_(kiss_fftr_alloc(mfcc.config_.n_fft, 0, nullptr, nullptr)),  // keeps scratch, so threads cannot share it
      frame_(mfcc.config_.n_fft),
      power_(mfcc.config_.n_fft / 2 + 1),
      spectrum_(power_.size() * 2) {
  if (!fft_) throw std::bad_alloc();
}

void Mfcc::Frame::FreeFft::operator()(kiss_fftr_state* fft) const { kiss_fftr_free(fft); }

void Mfcc::Frame::log_mel(std::span<const float> samples, std::span<float> out) {
  const SpeechConfig& config = mfcc_.config_;
  const std::size_t left = (config.n_fft - config.win_length) / 2;
  for (std::size_t i = 0; i < samples.size(); ++i) frame_[left + i] = mfcc_.tables_.window[i] * samples[i];
  auto* spectrum = reinterpret_cast<kiss_fft_cpx*>(spectrum_.data());
  kiss_fftr(fft_.get(), frame_.data(), spectrum);
  for (std::size_t i = 0; i < power_.size(); ++i) power_[i] = spectrum[i].r * spectrum[i].r + spectrum[i].i * spectrum[i].i;
  for (std::size_t m = 0; m < out.size(); ++m) {
    const MelBand& band = mfcc_.tables_.bands[m];
    float mel = 0;
    for (std::size_t i = 0; i < band.weights.size(); ++i) mel += band.weights[i] * power_[band.first_bin + i];
    out[m] = config.log_mode == LogMode::kLn ? std::log(mel + 1e-6f) : 10 * std::log10(std::max(1e-10f, mel));
  }
}

Matrix Mfcc::log_mel(std::span<const float> pcm) const {
  check_clip(pcm);
  const auto samples = std::ptrdiff_t(pcm.size());
  const std::ptrdiff_t padded = std::max(samples, std::ptrdiff_t(config_.n_fft / 2 + 1));
  const auto sample_at = [&](std::ptrdiff_t i) {  // ... 2 1 | 0 1 2 ... n-1 | n-2 n-3 ...
    i = std::abs(i);
    if (i >= padded) i = 2 * (padded - 1) - i;
    return i < samples ? pcm[std::size_t(i)] : 0.f;
  };

  Frame frame(*this);
  Matrix out(1 + int(padded / config_.hop_length), config_.n_mels);
  const int window = config_.win_length, left = (config_.n_fft - window) / 2;
  std::vector<float> edge(window);
  for (int t = 0; t < out.rows; ++t) {
    const std::ptrdiff_t start = std::ptrdiff_t(t) * config_.hop_length - config_.n_fft / 2 + left;
    const bool inside = start >= 0 && start + window <= samples;
    for (int i = 0; i < window && !inside; ++i) edge[i] = sample_at(start + i);
    frame.log_mel(inside ? pcm.subspan(std::size_t(start), window) : edge, {out.row(t), std::size_t(out.cols)});
  }
  return out;
}

Matrix Mfcc::cepstrum(const Matrix& mel, float floor, float reference) const {
  const int n = config_.n_mfcc;
  Matrix out(mel.rows, config_.features());
  for (int t = 0; t < mel.rows; ++t) {
    float* mfcc = out.row(t);
    for (int m = 0; m < mel.cols; ++m) {
      const float v = std::max(floor, mel.row(t)[m]) - reference;
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

Matrix Mfcc::operator()(std::span<const float> pcm) const {
  const Matrix mel = log_mel(pcm);
  float floor = -std::numeric_limits<float>::infinity();
  if (config_.log_mode == LogMode::kDbPower && config_.top_db >= 0) {
    floor = *std::max_element(mel.values.begin(), mel.values.end()) - float(config_.top_db);
  }
  return cepstrum(mel, floor, 0);
}

}  // namespace emo
