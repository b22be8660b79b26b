#include "engine/backend/shared/speech_rows.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace emo {
namespace {

constexpr double kSilence = 1e-9;  // mean square at -90 dBFS

}  // namespace

int energy_windows(std::size_t samples, const SpeechConfig& config) {
  const std::size_t window = config.win_length, hop = config.hop_length;
  return samples < window ? 1 : int(1 + (samples - window) / hop);
}

Rows speech_rows(std::span<const double> energies, int rows, const SpeechConfig& config) {
  const double loudest = *std::max_element(energies.begin(), energies.end());
  if (loudest <= kSilence) return {};
  if (config.trim_db < 0) return {0, rows};

  const auto loud = [&](double e) { return e >= loudest * std::pow(10, -config.trim_db / 10); };
  const int first = int(std::find_if(energies.begin(), energies.end(), loud) - energies.begin());
  const int last = int(energies.rend() - std::find_if(energies.rbegin(), energies.rend(), loud)) - 1;
  return {std::max(0, first - config.trim_pad_frames), std::min(rows, std::max(first + 1, last + config.trim_pad_frames))};
}

int states_of(Rows kept, const SpeechConfig& config) {
  return (kept.count() + config.frame_stride - 1) / config.frame_stride;
}

Rows states_around(double time_s, Rows kept, const SpeechConfig& config) {
  // In units of the distance of two states, from the first. The slack keeps a state on the window's edge inside it when
  // the seconds were rounded.
  const int states = states_of(kept, config);
  const double state_s = double(config.frame_stride) * config.hop_length / config.sample_rate_hz;
  const double centre = time_s / state_s - double(kept.begin) / config.frame_stride;
  const double half = std::max(0.5, config.readout_window_s / state_s / 2) + 1e-9;
  return {int(std::ceil(std::clamp(centre - half, 0.0, double(states)))),
          int(std::floor(std::clamp(centre + half, -1.0, double(states - 1)))) + 1};
}

void check_times(std::span<const double> times_s) {
  for (std::size_t i = 0; i < times_s.size(); ++i) {
    EMO_CHECK(std::isfinite(times_s[i]), "speech: time ", i, " is ", times_s[i], "; finite seconds are needed");
  }
}

void check_answers(std::span<const float> aus, const std::string& model) {
  if (std::ranges::all_of(aus, [](float x) { return std::isfinite(x); })) return;
  fail(ErrorKind::kModel, "speech: an answer came out with NaN or infinity under ", model,
       "; other weights or another clip are needed");
}

}  // namespace emo
