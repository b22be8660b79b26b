#include "engine/backend/cpu/live_speech.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <iterator>

#include "base/error.h"
#include "engine/backend/shared/mfcc_tables.h"

namespace emo {
namespace {

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
      stream_(lstm_) {
  if (delay_s() > kMostDelay_s) {
    fail(ErrorKind::kModel, name_, ": decides on a frame after ", delay_s(), " s; a stream needs ", kMostDelay_s,
         " at most. Lower its trim_pad_frames");
  }
}

double CpuLiveSpeech::delay_s() const {
  return (double(delay_frames()) * config_.hop_length + (config_.win_length + 1) / 2) / config_.sample_rate_hz;
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
  measures_.push_back(measure(mels_.back(), mels_[mels_.size() - 1 - lag]));
  if (measures_.size() > kLiveFrames) {
    mels_.pop_front();
    measures_.erase(measures_.begin());
  }
  const std::int64_t decided = frames_++ - delay_frames();
  if (decided < 0) return;
  const VoiceRows voice = voice_rows(measures_, config_);
  const int row = int(measures_.size()) - 1 - delay_frames();
  if (std::ranges::binary_search(voice.rows, row)) hear(row, voice, decided);

  const double frame_s = double(config_.hop_length) / config_.sample_rate_hz;
  for (; double(rows_) / fps_ < double(decided + 1) * frame_s - 1e-9; ++rows_) {
    out.values.resize(std::size_t(++out.rows) * std::size_t(out.cols));
    answer(double(rows_) / fps_, out.row(out.rows - 1));
  }
  const double next_s = double(rows_) / fps_ - config_.live_window_s;
  while (!states_.empty() && double(states_.front().frame) * frame_s < next_s - 1e-9) states_.pop_front();
}

void CpuLiveSpeech::hear(int row, const VoiceRows& voice, std::int64_t frame) {
  if (heard_++ % config_.frame_stride != 0) return;
  const float floor = voice_floor(voice.reference_db, config_);
  const auto cepstrum = [&](std::span<const float> mel) {
    Matrix bands(1, config_.n_mels);
    std::ranges::copy(mel, bands.row(0));
    return mfcc_.cepstrum(bands, floor, voice.reference_db).values;
  };
  std::vector<float> input = cepstrum(mels_[std::size_t(row)]);
  if (config_.utterance_mean_subtracted) {
    std::vector<double> sums(std::size_t(config_.n_mels));
    for (const int r : voice.rows) {
      for (std::size_t m = 0; m < sums.size(); ++m) sums[m] += double(std::max(floor, mels_[std::size_t(r)][m]));
    }
    std::vector<float> mean;
    for (const double sum : sums) mean.push_back(float(sum / double(voice.rows.size())));
    mean = cepstrum(mean);
    for (std::size_t i = 0; i < input.size(); ++i) input[i] -= mean[i];
  }
  for (std::size_t i = 0; i < input.size(); ++i) {
    input[i] = float((double(input[i]) - config_.feature_mean[i]) / config_.feature_std[i]);
  }
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
