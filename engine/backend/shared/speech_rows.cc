#include "engine/backend/shared/speech_rows.h"

#include <algorithm>
#include <cmath>
#include <ranges>

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

int states_of(int rows, const SpeechConfig& config) { return (rows + config.frame_stride - 1) / config.frame_stride; }

Rows states_around(double time_s, std::span<const int> rows, const SpeechConfig& config) {
  // In units of the distance of two states. The slack keeps a state on the window's edge inside it when the seconds were
  // rounded.
  const int stride = config.frame_stride;
  const double state_s = double(stride) * config.hop_length / config.sample_rate_hz, centre = time_s / state_s;
  const double half = std::max(0.5, config.readout_window_s / state_s / 2) + 1e-9;
  const auto position = [&](int state) { return double(rows[std::size_t(state) * std::size_t(stride)]) / stride; };
  const auto states = std::views::iota(0, states_of(int(rows.size()), config));
  const auto first = std::ranges::lower_bound(states, centre - half, {}, position);
  const auto end = std::ranges::upper_bound(states, centre + half, {}, position);
  return {int(first - states.begin()), int(end - states.begin())};
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
