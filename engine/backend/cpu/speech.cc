#include "engine/backend/cpu/speech.h"

#include <algorithm>

namespace emo {
namespace {

/// What the FC layer reads of any range of states, at a cost that does not depend on the range.
class ReadOut {
 public:
  /// states (S, hidden * directions) must outlive the object.
  ReadOut(const Matrix& states, const SpeechConfig& config) : states_(states), hidden_(config.lstm_hidden) {
    if (config.readout != "mean") return;
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
      fc_weight_(model.floats("fc.weight")),
      fc_bias_(model.floats("fc.bias")) {}

std::vector<double> CpuSpeech::energies(std::span<const float> pcm) const {
  const std::size_t window = config_.win_length, hop = config_.hop_length;
  std::vector<double> energies(energy_windows(pcm.size(), config_));
  for (std::size_t i = 0; i < energies.size(); ++i) {
    for (const float x : pcm.subspan(i * hop, std::min(window, pcm.size()))) energies[i] += double(x) * x;
    energies[i] /= double(window);
  }
  return energies;
}

Matrix CpuSpeech::prepare(const Matrix& features, Rows kept) const {
  const int count = kept.count(), stride = config_.frame_stride;
  std::vector<double> mean(features.cols);
  for (int t = kept.begin; config_.utterance_mean_subtracted && t < kept.end; ++t) {
    for (int i = 0; i < features.cols; ++i) mean[i] += double(features.row(t)[i]) / count;
  }
  Matrix out(states_of(kept, config_), features.cols);
  for (int s = 0; s < out.rows; ++s) {
    for (std::size_t i = 0; i < mean.size(); ++i) {
      const double x = features.row(kept.begin + s * stride)[i] - mean[i];
      out.row(s)[i] = float((x - config_.feature_mean[i]) / config_.feature_std[i]);
    }
  }
  return out;
}

void CpuSpeech::fully_connected(std::span<const double> z, float* au) const {
  for (std::size_t row = 0; row < fc_bias_.size(); ++row) {
    double sum = fc_bias_[row];
    for (std::size_t i = 0; i < z.size(); ++i) sum += z[i] * fc_weight_[row * z.size() + i];
    au[row] = float(sum);
  }
}

Matrix CpuSpeech::speech(std::span<const float> pcm, std::span<const double> times_s) const {
  check_times(times_s);
  const Matrix features = mfcc_(pcm);
  Matrix out(std::max(1, int(times_s.size())), int(fc_bias_.size()));
  const Rows kept = speech_rows(energies(pcm), features.rows, config_);
  if (kept.empty()) return out;

  const Matrix states = lstm_(prepare(features, kept));
  const ReadOut read_out(states, config_);
  for (int row = 0; row < out.rows; ++row) {
    const Rows seen = times_s.empty() ? Rows{0, states.rows} : states_around(times_s[row], kept, config_);
    if (!seen.empty()) fully_connected(read_out(seen.begin, seen.end), out.row(row));
  }
  check_answers(out.values, name_);
  return out;
}

}  // namespace emo
