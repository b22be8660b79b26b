#include "engine/media/audio/mono.h"

#include <algorithm>
#include <numeric>
#include <span>
#include <vector>

#include "base/limits.h"
#include "engine/media/audio/resampler.h"

namespace emo {
namespace {

constexpr std::size_t kRoom = 4096;

/// What shows that channels cancel in their mean: microphones wired the wrong way round, "surround" effects.
class ChannelEnergies {
 public:
  explicit ChannelEnergies(std::size_t channels) : of_(channels) {}

  /// The mean of a frame (channels), whose energies are added up.
  double add(std::span<const float> frame) {
    double sum = 0;
    for (std::size_t c = 0; c < frame.size(); ++c) {
      sum += double(frame[c]);
      of_[c] += double(frame[c]) * double(frame[c]);
    }
    const double mean = sum / double(frame.size());
    of_mean_ += mean * mean;
    return mean;
  }
  /// The mean has less than a tenth of the energy that it has of channels which are independent.
  bool cancel() const {
    const double n = double(of_.size()), independent = std::accumulate(of_.begin(), of_.end(), 0.0) / (n * n);
    return of_mean_ < 0.1 * independent;
  }
  std::size_t strongest() const { return std::size_t(std::ranges::max_element(of_) - of_.begin()); }

 private:
  std::vector<double> of_;
  double of_mean_ = 0;
};

void check_seconds(const char* how, double seconds, const AudioLimits& limits, const Refuse& refuse) {
  if (seconds <= limits.max_seconds) return;
  refuse("lasts ", how, std::round(seconds * 10) / 10, " s; at most ", limits.max_seconds,
         " s are taken. Cut it, or raise `max_seconds`");
}

void check_format(const AudioFormat& format, const Refuse& refuse) {
  if (format.sample_rate_hz < limits::kMinSampleRateHz || format.sample_rate_hz > limits::kMaxSampleRateHz) {
    refuse("has a rate of ", format.sample_rate_hz, " Hz; ", limits::kMinSampleRateHz, " to ", limits::kMaxSampleRateHz,
           " are taken. Resample it first");
  }
  if (format.channels < 1 || format.channels > limits::kMaxAudioChannels) {
    refuse("has ", format.channels, " channels; 1 to ", limits::kMaxAudioChannels, " are taken. Mix it down first");
  }
}

/// Refuses a sample that is no sound; `at_s` is its time in the file.
void check_sample(double sample, double at_s, const Refuse& refuse) {
  if (std::abs(sample) <= double(limits::kMaxSample)) return;  // never so for a NaN
  if (!std::isfinite(sample)) {
    refuse("holds NaN or infinity at ", to_ms(at_s), " s; every sample must be a number. Export it again");
  }
  refuse("holds ", sample, " at ", to_ms(at_s), " s, where full scale is 1; export it again as PCM, or scale it down");
}

}  // namespace

std::int64_t append_mono(AudioSource& source, const AudioLimits& limits, const Refuse& refuse, Clip& clip) {
  const AudioFormat& format = source.format();
  check_format(format, refuse);
  const double rate = format.sample_rate_hz;
  // Timestamps may be broken: of sound before time 0 no more is decoded than the limit.
  const double start_s = std::max(format.start_s, -limits.max_seconds);
  const double before_s = clip.seconds() + start_s;
  check_seconds("", before_s + format.seconds, limits, refuse);

  const std::size_t before = clip.pcm.size(), channels = std::size_t(format.channels);
  const auto shift = std::size_t(std::llround(std::abs(start_s) * clip.sample_rate_hz));
  // Growing by doubling would hold ten minutes three times; a header may lie, up to some 115 MB.
  const double expected_s = std::min(std::max(0.0, start_s) + format.seconds, limits::kMaxAudioSeconds);
  clip.pcm.reserve(before + std::size_t(expected_s * clip.sample_rate_hz) + kRoom);
  std::vector<float> mono;
  ChannelEnergies energies(channels);
  std::int64_t frames = 0;
  /// Channel `only` or, for their number, the mean of all.
  const auto read = [&](std::size_t only) {
    clip.pcm.resize(before + (start_s > 0 ? shift : 0));
    frames = 0;
    SoxrResampler resampler(format.sample_rate_hz, clip.sample_rate_hz);
    for (auto block = source.read(); !block.empty(); block = source.read()) {
      mono.resize(block.size() / channels);
      for (std::size_t i = 0; i < mono.size(); ++i) {
        const auto frame = block.subspan(i * channels, channels);
        const double sample = only < channels ? double(frame[only]) : energies.add(frame);
        check_sample(sample, before_s + double(frames + std::int64_t(i)) / rate, refuse);
        mono[i] = float(sample);
      }
      frames += std::int64_t(mono.size());
      check_seconds("more than ", before_s + double(frames) / rate, limits, refuse);
      resampler.push(mono, clip.pcm);
    }
    resampler.finish(clip.pcm);
  };
  read(channels);
  if (energies.cancel() && source.restart()) read(energies.strongest());
  if (start_s < 0) {
    const auto from = clip.pcm.begin() + std::ptrdiff_t(before);
    clip.pcm.erase(from, from + std::min(std::ptrdiff_t(shift), clip.pcm.end() - from));
  }
  return frames;
}

}  // namespace emo
