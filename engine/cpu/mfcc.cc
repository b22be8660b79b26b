#include "engine/cpu/mfcc.h"

#include <kiss_fftr.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <limits>
#include <memory>
#include <new>
#include <numbers>

#include "base/error.h"

namespace emo {
namespace {

// Beyond this the power spectrum of the longest window (16,384) could overflow fp32.
constexpr float kMaxSample = 1e12f;

void check_clip(std::span<const float> pcm) {
  if (pcm.empty()) fail(ErrorKind::kInput, "audio: the clip has no samples; a clip with sound in it is needed");
  for (std::size_t i = 0; i < pcm.size(); ++i) {
    if (std::abs(pcm[i]) <= kMaxSample) continue;
    fail(ErrorKind::kInput, "audio: sample ", i, " of ", pcm.size(), " is ", pcm[i],
         "; finite samples, full scale at 1, are needed. Decode or record the clip again");
  }
}

/// The Slaney scale (Auditory Toolbox): 3 mel per 200 Hz up to 1 kHz, then 27 mel per factor of 6.4.
double hz_to_mel(double hz, bool slaney) {
  if (!slaney) return 2595 * std::log10(1 + hz / 700);
  return hz < 1000 ? hz * 3 / 200 : 15 + 27 * std::log(hz / 1000) / std::log(6.4);
}

double mel_to_hz(double mel, bool slaney) {
  if (!slaney) return 700 * (std::pow(10, mel / 2595) - 1);
  return mel < 15 ? mel * 200 / 3 : 1000 * std::pow(6.4, (mel - 15) / 27);
}

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

Mfcc::Mfcc(const SpeechConfig& config) : config_(config), bands_(mel_bands(config)) {
  constexpr double pi = std::numbers::pi;
  window_.resize(config.win_length);
  for (std::size_t i = 0; i < window_.size(); ++i) {
    window_[i] = float(0.5 - 0.5 * std::cos(2 * pi * double(i) / config.win_length));
  }
  dct_.resize(std::size_t(config.n_mels) * config.n_mfcc);
  for (int m = 0; m < config.n_mels; ++m) {
    for (int k = 0; k < config.n_mfcc; ++k) {
      const double norm = std::sqrt((k == 0 ? 1.0 : 2.0) / config.n_mels);
      dct_[std::size_t(m) * config.n_mfcc + k] = float(norm * std::cos(pi / config.n_mels * (m + 0.5) * k));
    }
  }
}

std::vector<Mfcc::MelBand> Mfcc::mel_bands(const SpeechConfig& config) {
  const bool slaney = config.mel_scale == "slaney";
  const double mel_min = hz_to_mel(config.f_min_hz, slaney), mel_max = hz_to_mel(config.f_max_hz, slaney);
  const auto edge_hz = [&](int i) { return mel_to_hz(mel_min + (mel_max - mel_min) * i / (config.n_mels + 1), slaney); };
  // torchaudio spreads the bins over 0 .. rate // 2; with an odd rate that is half a hertz short, and we follow it.
  const int last_bin = config.n_fft / 2;
  const double bin_hz = double(config.sample_rate_hz / 2) / last_bin;

  std::vector<MelBand> bands(config.n_mels);
  for (int m = 0; m < config.n_mels; ++m) {
    const double low = edge_hz(m), peak = edge_hz(m + 1), high = edge_hz(m + 2);
    MelBand& band = bands[m];
    band.first_bin = std::min(last_bin, int(low / bin_hz) + 1);
    for (int bin = band.first_bin; bin <= last_bin && bin * bin_hz < high; ++bin) {
      const double hz = bin * bin_hz;
      band.weights.push_back(float(std::min((hz - low) / (peak - low), (high - hz) / (high - peak))));
    }
  }
  return bands;
}

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
      frame[left + i] = window_[i] * (inside ? pcm[std::size_t(start + i)] : sample_at(start + i));
    }
    kiss_fftr(fft.get(), frame.data(), spectrum.data());
    for (int i = 0; i < bins; ++i) power[i] = spectrum[i].r * spectrum[i].r + spectrum[i].i * spectrum[i].i;
    for (int m = 0; m < out.cols; ++m) {
      const MelBand& band = bands_[m];
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
      const float* basis = &dct_[std::size_t(m) * n];
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
