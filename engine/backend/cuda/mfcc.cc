#include "engine/backend/cuda/mfcc.h"

#include <algorithm>
#include <vector>

#include "engine/backend/shared/mfcc_tables.h"

namespace emo {
namespace {

constexpr const char* kTables = "the MFCC's tables";
constexpr const char* kFrames = "the MFCC of a clip";

}  // namespace

CudaMfcc::CudaMfcc(const SpeechConfig& config) : config_(config) {
  const MfccTables tables(config);
  std::vector<int> first_bin, begin = {0};
  std::vector<float> weights;
  for (const MelBand& band : tables.bands) {
    first_bin.push_back(band.first_bin);
    weights.insert(weights.end(), band.weights.begin(), band.weights.end());
    begin.push_back(int(weights.size()));
  }
  window_ = {std::span<const float>(tables.window), kTables};
  dct_ = {std::span<const float>(tables.dct), kTables};
  band_weights_ = {std::span<const float>(weights), kTables};
  first_bin_ = {std::span<const int>(first_bin), kTables};
  band_begin_ = {std::span<const int>(begin), kTables};
}

CudaMfcc::Workspace::Workspace(const SpeechConfig& config, cudaStream_t stream)
    : fft(config.n_fft, kPiece, stream),
      frames(std::size_t(kPiece) * config.n_fft, kFrames),
      spectrum(std::size_t(kPiece) * (config.n_fft / 2 + 1), kFrames),
      loudest(1, kFrames) {
  // A transform is of a whole piece: the frames that a clip leaves over are an earlier clip's, or these zeros.
  EMO_CUDA(cudaMemsetAsync(frames.data(), 0, frames.size() * sizeof(float), stream));
}

MfccShape CudaMfcc::shape(std::size_t samples) const {
  return {std::int64_t(samples), config_.n_fft,  config_.win_length, config_.hop_length,
          config_.n_mels,        config_.n_mfcc, config_.deltas};
}

void CudaMfcc::log_mel(const float* pcm, const MfccShape& shape, float* mel, unsigned* loudest, Workspace& w,
                       cudaStream_t stream) const {
  const int frames = shape.frames();
  if (loudest) EMO_CUDA(cudaMemsetAsync(loudest, 0, sizeof(unsigned), stream));
  for (int first = 0; first < frames; first += kPiece) {
    const int count = std::min(kPiece, frames - first);
    window_frames(pcm, shape, window_.data(), first, count, w.frames.data(), stream);
    w.fft(w.frames.data(), w.spectrum.data());
    emo::log_mel(w.spectrum.data(), shape, {first_bin_.data(), band_begin_.data(), band_weights_.data()}, count,
                 mel + std::size_t(first) * shape.n_mels, loudest, stream);
  }
}

void CudaMfcc::cepstrum(const float* mel, const MfccShape& shape, const MelFloor& floor, float* out,
                        cudaStream_t stream) const {
  emo::cepstrum(mel, shape, dct_.data(), floor, out, stream);
}

void CudaMfcc::operator()(const float* pcm, const MfccShape& shape, float* out, Workspace& w, cudaStream_t stream) const {
  const bool decibels = config_.log_mode == LogMode::kDbPower;
  w.log_mel.reserve(std::size_t(shape.frames()) * shape.n_mels, kFrames);
  log_mel(pcm, shape, w.log_mel.data(), decibels ? w.loudest.data() : nullptr, w, stream);
  MelFloor floor;
  if (decibels && config_.top_db >= 0) floor = {w.loudest.data(), float(config_.top_db)};
  cepstrum(w.log_mel.data(), shape, floor, out, stream);
}

}  // namespace emo
