#include "engine/backend/cpu/speech.h"

#include <algorithm>
#include <utility>

#include "engine/backend/shared/voice_activity.h"

namespace emo {
namespace {

/// What the FC layer reads of any range of states, at a cost that does not depend on the range.
class ReadOut {
 public:
  /// states (S, hidden * directions) must outlive the object.
  ReadOut(const Matrix& states, const SpeechConfig& config) : states_(states), hidden_(config.lstm_hidden) {
    if (config.readout != Readout::kMean) return;
    const std::size_t cols = states.cols;
    sums_.resize((std::size_t(states.rows) + 1) * cols);  // fp64: differences of the sums of a long clip keep fp32 digits
    for (std::size_t i = cols; i < sums_.size(); ++i) sums_[i] = sums_[i - cols] + states.values[i - cols];
  }

  /// Of states [begin, end), not empty.
  std::vector<double> operator()(int begin, int end) const {
    std::vector<double> z(states_.cols);
    for (int i = 0; i < states_.cols; ++i) {
      if (sums_.empty()) {
        z[i] = states_.row(i < hidden_ ? end - 1 : begin)[i];
      } else {
        z[i] = (sum_before(end, i) - sum_before(begin, i)) / (end - begin);
      }
    }
    return z;
  }

 private:
  double sum_before(int state, int i) const { return sums_[std::size_t(state) * states_.cols + i]; }

  const Matrix& states_;
  int hidden_;
  std::vector<double> sums_;  // row s is the sum of states [0, s); empty for read-out `last`
};

}  // namespace

CpuSpeech::CpuSpeech(const ModelFile& model)
    : name_(model.name()),
      config_(model.speech()),
      mfcc_(config_),
      lstm_(model.tensors(), config_.features(), config_.lstm_hidden, config_.lstm_layers, config_.bidirectional),
      fc_(model) {}

CpuSpeech::Input CpuSpeech::input(std::span<const float> pcm) const {
  if (config_.voice_change_db == 0) {
    Input input{mfcc_(pcm), {}};
    const Rows kept = speech_rows(energies(pcm), input.features.rows, config_);
    for (int row = kept.begin; row < kept.end; ++row) input.rows.push_back(row);
    return input;
  }
  const Matrix mel = mfcc_.log_mel(pcm);
  const std::size_t bands = std::size_t(mel.cols);
  std::vector<FrameMeasure> measures;
  for (int t = 0; t < mel.rows; ++t) {
    measures.push_back(measure({mel.row(t), bands}, {mel.row(std::max(0, t - kChangeFrames)), bands}));
  }
  VoiceRows voice = voice_rows(measures, config_);
  return {mfcc_.cepstrum(mel, voice_floor(voice.reference_db, config_), voice.reference_db), std::move(voice.rows)};
}

std::vector<double> CpuSpeech::energies(std::span<const float> pcm) const {
  const std::size_t window = config_.win_length, hop = config_.hop_length;
  std::vector<double> energies(energy_windows(pcm.size(), config_));
  for (std::size_t i = 0; i < energies.size(); ++i) {
    for (const float x : pcm.subspan(i * hop, std::min(window, pcm.size()))) energies[i] += double(x) * x;
    energies[i] /= double(window);
  }
  return energies;
}

Matrix CpuSpeech::prepare(const Matrix& features, std::span<const int> rows) const {
  const std::size_t stride = std::size_t(config_.frame_stride);
  std::vector<double> mean(features.cols);
  if (config_.utterance_mean_subtracted) {
    for (const int t : rows) {
      for (int i = 0; i < features.cols; ++i) mean[i] += double(features.row(t)[i]) / double(rows.size());
    }
  }
  Matrix out(states_of(int(rows.size()), config_), features.cols);
  for (int s = 0; s < out.rows; ++s) {
    for (std::size_t i = 0; i < mean.size(); ++i) {
      const double x = features.row(rows[std::size_t(s) * stride])[i] - mean[i];
      out.row(s)[i] = float((x - config_.feature_mean[i]) / config_.feature_std[i]);
    }
  }
  return out;
}

void FullyConnected::operator()(std::span<const double> z, float* au) const {
  for (std::size_t row = 0; row < bias.size(); ++row) {
    double sum = bias[row];
    for (std::size_t i = 0; i < z.size(); ++i) sum += z[i] * weight[row * z.size() + i];
    au[row] = float(sum);
  }
}

class CpuSpeech::Clip final : public HeardClip {
 public:
  Clip(const CpuSpeech& speech, Input input)
      : speech_(speech),
        rows_(std::move(input.rows)),
        states_(rows_.empty() ? Matrix() : speech.lstm_(speech.prepare(input.features, rows_))),
        read_out_(states_, speech.config_) {}

  Matrix read(std::span<const double> times_s) const override {
    check_times(times_s);
    Matrix out(std::max(1, int(times_s.size())), int(speech_.fc_.bias.size()));
    if (rows_.empty()) return out;
    for (int row = 0; row < out.rows; ++row) {
      const Rows seen = times_s.empty() ? Rows{0, states_.rows} : states_around(times_s[row], rows_, speech_.config_);
      if (!seen.empty()) speech_.fc_(read_out_(seen.begin, seen.end), out.row(row));
    }
    check_answers(out.values, speech_.name_);
    return out;
  }

 private:
  const CpuSpeech& speech_;
  const std::vector<int> rows_;
  const Matrix states_;
  const ReadOut read_out_;  // of states_
};

std::unique_ptr<const HeardClip> CpuSpeech::hear(std::span<const float> pcm) const {
  return std::make_unique<Clip>(*this, input(pcm));
}

}  // namespace emo
