#include "engine/backend/shared/voice_activity.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>

namespace emo {
namespace {

constexpr double kNoiseShare = 0.02;

/// The level that all but kNoiseShare of those reach that are no silence; kQuiet_db when all are.
double noise_floor(std::vector<float> levels) {
  std::erase_if(levels, [](float level) { return level < kQuiet_db; });
  if (levels.empty()) return kQuiet_db;
  const auto nth = levels.begin() + std::ptrdiff_t(kNoiseShare * double(levels.size() - 1));
  std::ranges::nth_element(levels, nth);
  return *nth;
}

/// The level that `count` of these reach, or a quarter of them. Not empty.
float reached_by(std::size_t count, std::vector<float> levels) {
  const auto nth = levels.begin() + std::ptrdiff_t(std::min(count, (levels.size() + 3) / 4) - 1);
  std::ranges::nth_element(levels, nth, std::greater<>());
  return *nth;
}

bool is_candidate(FrameMeasure frame, double noise, const SpeechConfig& config) {
  return frame.change >= config.voice_change_db && frame.level >= noise + config.voice_over_noise_db;
}

bool is_loud(float level, float reference, const SpeechConfig& config) {
  return config.trim_db < 0 || level >= double(reference) - config.trim_db;
}

}  // namespace

FrameMeasure measure(std::span<const float> mel, std::span<const float> before) {
  const float level = *std::ranges::max_element(mel);
  const float strong = level - kChangeRange_db, strong_before = *std::ranges::max_element(before) - kChangeRange_db;
  float sum = 0;
  int count = 0;
  for (std::size_t m = 0; m < mel.size(); ++m) {
    if (mel[m] < strong && before[m] < strong_before) continue;
    sum += std::abs(mel[m] - before[m]);
    ++count;
  }
  return {level, sum / float(count)};
}

VoiceRows voice_rows(std::span<const FrameMeasure> frames, const SpeechConfig& config) {
  const int count = int(frames.size());
  std::vector<float> levels;
  for (const FrameMeasure& frame : frames) levels.push_back(frame.level);
  const double noise = noise_floor(levels);

  std::vector<int> candidates_before = {0};  // of frame t, among those before it
  for (const FrameMeasure& frame : frames) {
    candidates_before.push_back(candidates_before.back() + is_candidate(frame, noise, config));
  }
  std::vector<int> voice;
  std::vector<float> voice_levels;
  for (int t = 0; t < count; ++t) {
    const int near = candidates_before[std::min(count, t + kReach + 1)] - candidates_before[std::max(0, t - kReach)];
    if (near < kCandidates || candidates_before[t + 1] == candidates_before[t]) continue;
    voice.push_back(t);
    voice_levels.push_back(levels[t]);
  }
  VoiceRows out;
  if (voice.empty()) return out;
  out.reference_db = reached_by(std::size_t(config.level_frames), voice_levels);
  for (const int t : voice) {
    if (!is_loud(levels[t], out.reference_db, config)) continue;
    const int first = out.rows.empty() ? 0 : out.rows.back() + 1;
    const int last = std::min(count - 1, t + config.voice_hold_frames);
    for (int row = std::max(first, t - config.trim_pad_frames); row <= last; ++row) out.rows.push_back(row);
  }
  return out;
}

float voice_floor(float reference_db, const SpeechConfig& config) {
  return config.top_db < 0 ? -std::numeric_limits<float>::infinity() : reference_db - float(config.top_db);
}

}  // namespace emo
