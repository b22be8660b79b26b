#include "engine/backend/cpu/live_speech.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <iterator>

#include "base/error.h"
#include "engine/backend/shared/mfcc_tables.h"

namespace emo {
namespace {

constexpr std::int64_t kMeanFrames = 300;

SpeechConfig checked(const ModelFile& model) {
  const SpeechConfig& config = model.speech();
  const auto refuse = [&](const auto&... why) { fail(ErrorKind::kModel, model.name(), ": ", why...); };
  if (config.bidirectional) refuse("is bidirectional and needs a clip's end; a stream needs a model that is not");
  if (config.voice_change_db == 0) refuse("has no voice_change_db; a stream needs a model that was trained with it");
  return config;
}

}  // namespace

CpuLiveSpeech::CpuLiveSpeech(const ModelFile& model, double fps)
    : name_(model.name()),
      config_(checked(model)),
      fps_(fps),
      mfcc_(config_),
      lstm_(model.tensors(), config_.features(), config_.lstm_hidden, config_.lstm_layers, false),
      fc_(model),
      spectrum_(mfcc_),
      stream_(lstm_),
      voice_(config_),
      mean_(std::size_t(config_.features())) {
  if (delay_s() > kMostDelay_s) {
    fail(ErrorKind::kModel, name_, ": decides on a frame after ", delay_s(), " s; a stream needs ", kMostDelay_s,
         " at most. Lower its trim_pad_frames");
  }
}

double CpuLiveSpeech::delay_s() const {
  return (double(voice_.delay_frames()) * config_.hop_length + (config_.win_length + 1) / 2) / config_.sample_rate_hz;
}

Matrix CpuLiveSpeech::push(std::span<const float> pcm) {
  Matrix out(0, int(fc_.bias.size()));
  if (pcm.empty()) return out;
  check_clip(pcm);
  pcm_.insert(pcm_.end(), pcm.begin(), pcm.end());
  samples_ += std::int64_t(pcm.size());
  const std::int64_t window = config_.win_length, first_kept = samples_ - std::int64_t(pcm_.size());
  const std::int64_t offset = (config_.n_fft - window) / 2 - config_.n_fft / 2;  // from a frame's time to its window
  std::int64_t start = frames_ * config_.hop_length + offset;
  std::vector<float> mirrored(config_.win_length);
  for (; samples_ >= std::max(start + window, 1 - start); start += config_.hop_length) {
    if (start >= 0) {
      take_frame(std::span(pcm_).subspan(std::size_t(start - first_kept), std::size_t(window)), out);
    } else {
      for (std::int64_t i = 0; i < window; ++i) mirrored[std::size_t(i)] = pcm_[std::size_t(std::abs(start + i))];
      take_frame(mirrored, out);
    }
  }
  pcm_.erase(pcm_.begin(), pcm_.begin() + std::clamp<std::int64_t>(start - first_kept, 0, std::int64_t(pcm_.size())));
  check_answers(out.values, name_);
  return out;
}

void CpuLiveSpeech::take_frame(std::span<const float> samples, Matrix& out) {
  mels_.emplace_back(std::size_t(config_.n_mels));
  spectrum_.log_mel(samples, mels_.back());
  const std::size_t lag = std::min(mels_.size() - 1, std::size_t(kChangeFrames));
  const auto reference = voice_.push(measure(mels_.back(), mels_[mels_.size() - 1 - lag]));
  const std::int64_t decided = frames_++ - voice_.delay_frames();
  if (decided < 0) return;
  const std::size_t delay = std::size_t(voice_.delay_frames());
  if (reference) hear(mels_[mels_.size() - 1 - delay], *reference, decided);
  if (mels_.size() > std::max(delay, std::size_t(kChangeFrames))) mels_.pop_front();

  const double frame_s = double(config_.hop_length) / config_.sample_rate_hz;
  for (; double(rows_) / fps_ < double(decided + 1) * frame_s - 1e-9; ++rows_) {
    out.values.resize(std::size_t(++out.rows) * std::size_t(out.cols));
    answer(double(rows_) / fps_, out.row(out.rows - 1));
  }
  const double next_s = double(rows_) / fps_ - config_.live_window_s;
  while (!states_.empty() && double(states_.front().frame) * frame_s < next_s - 1e-9) states_.pop_front();
}

void CpuLiveSpeech::hear(std::span<const float> mel, float reference, std::int64_t frame) {
  Matrix bands(1, config_.n_mels);
  std::ranges::copy(mel, bands.row(0));
  const Matrix x = mfcc_.cepstrum(bands, voice_floor(reference, config_), reference);
  const std::int64_t before = heard_++;
  std::vector<float> input(mean_.size());
  for (std::size_t i = 0; i < mean_.size(); ++i) {
    mean_[i] += (double(x.values[i]) - mean_[i]) / double(std::min(heard_, kMeanFrames));
    const double shifted = x.values[i] - (config_.utterance_mean_subtracted ? mean_[i] : 0);
    input[i] = float((shifted - config_.feature_mean[i]) / config_.feature_std[i]);
  }
  if (before % config_.frame_stride != 0) return;
  const auto h = stream_.step(input);
  states_.push_back({frame, {h.begin(), h.end()}});
}

void CpuLiveSpeech::answer(double time_s, float* au) const {
  const double frame_s = double(config_.hop_length) / config_.sample_rate_hz;
  const auto first = std::ranges::find_if(
      states_, [&](const State& s) { return double(s.frame) * frame_s >= time_s - config_.live_window_s - 1e-9; });
  const auto end =
      std::ranges::find_if(first, states_.end(), [&](const State& s) { return double(s.frame) * frame_s > time_s + 1e-9; });
  if (first == end) return;
  std::vector<double> z(std::size_t(config_.lstm_hidden));
  const auto add = [&](const State& s, double share) {
    for (std::size_t i = 0; i < z.size(); ++i) z[i] += share * double(s.h[i]);
  };
  if (config_.readout == Readout::kLast) {
    add(*std::prev(end), 1);
  } else {
    for (auto s = first; s != end; ++s) add(*s, 1 / double(end - first));
  }
  fc_(z, au);
}

}  // namespace emo
