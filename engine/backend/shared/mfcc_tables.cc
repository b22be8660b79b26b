#include "engine/backend/shared/mfcc_tables.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>

#include "base/error.h"
#include "base/limits.h"

namespace emo {
namespace {

/// The Slaney scale (Auditory Toolbox): 3 mel per 200 Hz up to 1 kHz, then 27 mel per factor of 6.4.
double hz_to_mel(double hz, bool slaney) {
  if (!slaney) return 2595 * std::log10(1 + hz / 700);
  return hz < 1000 ? hz * 3 / 200 : 15 + 27 * std::log(hz / 1000) / std::log(6.4);
}

double mel_to_hz(double mel, bool slaney) {
  if (!slaney) return 700 * (std::pow(10, mel / 2595) - 1);
  return mel < 15 ? mel * 200 / 3 : 1000 * std::pow(6.4, (mel - 15) / 27);
}

std::vector<MelBand> mel_bands(const SpeechConfig& config) {
  const bool slaney = config.mel_scale == MelScale::kSlaney;
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

}  // namespace

MfccTables::MfccTables(const SpeechConfig& config) : bands(mel_bands(config)) {
  constexpr double pi = std::numbers::pi;
  window.resize(config.win_length);
  for (std::size_t i = 0; i < window.size(); ++i) {
    window[i] = float(0.5 - 0.5 * std::cos(2 * pi * double(i) / config.win_length));
  }
  dct.resize(std::size_t(config.n_mels) * config.n_mfcc);
  for (int m = 0; m < config.n_mels; ++m) {
    for (int k = 0; k < config.n_mfcc; ++k) {
      const double norm = std::sqrt((k == 0 ? 1.0 : 2.0) / config.n_mels);
      dct[std::size_t(m) * config.n_mfcc + k] = float(norm * std::cos(pi / config.n_mels * (m + 0.5) * k));
    }
  }
}

void check_clip(std::span<const float> pcm) {
  if (pcm.empty()) fail(ErrorKind::kInput, "audio: the clip has no samples; a clip with sound in it is needed");
  for (std::size_t i = 0; i < pcm.size(); ++i) {
    if (std::abs(pcm[i]) <= limits::kMaxSample) continue;
    fail(ErrorKind::kInput, "audio: sample ", i, " of ", pcm.size(), " is ", pcm[i],
         "; finite samples, full scale at 1, are needed. Decode or record the clip again");
  }
}

}  // namespace emo
