#include "engine/backend/cuda/speech.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "engine/backend/shared/mfcc_tables.h"
#include "engine/backend/shared/voice_activity.h"
#include "kernels/features.h"
#include "kernels/read_out.h"

namespace emo {
namespace {

constexpr const char* kClip = "a clip";
constexpr const char* kModel = "the speech model";

template <typename T>
void to_device(const PinnedBuffer<T>& from, const DeviceBuffer<T>& to, std::size_t count, const Stream& stream) {
  EMO_CUDA(cudaMemcpyAsync(to.data(), from.data(), count * sizeof(T), cudaMemcpyHostToDevice, stream.get()));
}

template <typename T>
void to_host(const DeviceBuffer<T>& from, const PinnedBuffer<T>& to, std::size_t count, const Stream& stream) {
  EMO_CUDA(cudaMemcpyAsync(to.data(), from.data(), count * sizeof(T), cudaMemcpyDeviceToHost, stream.get()));
}

}  // namespace

/// One clip of a call, and where its parts lie among those of the others.
struct CudaSpeech::Clip {
  std::span<const float> pcm;
  std::span<const double> times_s;
  Matrix aus = {};

  MfccShape shape = {};
  int energies = 0;
  std::size_t first_sample = 0, first_energy = 0, first_frame = 0;
  std::vector<int> heard = {};  ///< rows
  std::size_t first_heard = 0;
  LstmClip states = {};
};

struct CudaSpeech::Context {
  explicit Context(const SpeechConfig& config) : mfcc(config, stream.get()), lstm(stream.get()) {}

  Stream stream;
  Event measured;
  CudaMfcc::Workspace mfcc;
  CudaLstm::Workspace lstm;

  PinnedBuffer<float> host_pcm, host_features, host_aus;
  PinnedBuffer<double> host_energies;
  PinnedBuffer<float2> host_measures;
  PinnedBuffer<int> host_heard;
  PinnedBuffer<LstmClip> host_clips;
  PinnedBuffer<ReadOutRange> host_ranges;
  DeviceBuffer<float> pcm, log_mel, features, x, aus;  ///< of all clips of a call, one after another
  DeviceBuffer<float2> measures;
  DeviceBuffer<int> heard;
  DeviceBuffer<double> energies, sums;
  DeviceBuffer<LstmClip> clips;
  DeviceBuffer<ReadOutRange> ranges;
};

CudaSpeech::CudaSpeech(const ModelFile& model, int max_contexts)
    : name_(model.name()),
      config_(model.speech()),
      mfcc_(config_),
      lstm_(model.tensors(), config_.features(), config_.lstm_hidden, config_.lstm_layers, config_.bidirectional),
      feature_mean_(std::span<const double>(config_.feature_mean), kModel),
      feature_std_(std::span<const double>(config_.feature_std), kModel),
      fc_weight_(std::span<const float>(model.floats("fc.weight")), kModel),
      fc_bias_(std::span<const float>(model.floats("fc.bias")), kModel),
      contexts_(max_contexts) {}

CudaSpeech::~CudaSpeech() = default;

Pool<CudaSpeech::Context>::Lease CudaSpeech::borrow() const {
  return contexts_.borrow([&] { return std::make_unique<Context>(config_); });
}

/// Lays the clips out and sends their samples.
void CudaSpeech::upload(std::span<Clip> clips, Context& context) const {
  std::size_t samples = 0, energies = 0, frames = 0;
  for (Clip& clip : clips) {
    clip.shape = mfcc_.shape(clip.pcm.size());
    clip.energies = energy_windows(clip.pcm.size(), config_);
    clip.first_sample = samples;
    clip.first_energy = energies;
    clip.first_frame = frames;
    samples += clip.pcm.size();
    energies += std::size_t(clip.energies);
    frames += std::size_t(clip.shape.frames());
  }
  context.host_pcm.reserve(samples);
  context.pcm.reserve(samples, kClip);
  context.host_energies.reserve(energies);
  context.energies.reserve(energies, kClip);
  context.features.reserve(frames * config_.features(), kClip);
  for (const Clip& clip : clips) std::ranges::copy(clip.pcm, context.host_pcm.data() + clip.first_sample);
  to_device(context.host_pcm, context.pcm, samples, context.stream);
}

/// Has the energies sent back while the device goes on.
void CudaSpeech::measure(std::span<const Clip> clips, Context& context) const {
  for (const Clip& clip : clips) {
    window_energies(context.pcm.data() + clip.first_sample, std::int64_t(clip.pcm.size()), config_.win_length,
                    config_.hop_length, context.energies.data() + clip.first_energy, clip.energies, context.stream.get());
  }
  const std::size_t count = clips.back().first_energy + std::size_t(clips.back().energies);
  to_host(context.energies, context.host_energies, count, context.stream);
  context.measured.record(context.stream);
}

void CudaSpeech::extract(std::span<const Clip> clips, Context& context) const {
  for (const Clip& clip : clips) {
    mfcc_(context.pcm.data() + clip.first_sample, clip.shape,
          context.features.data() + clip.first_frame * config_.features(), context.mfcc, context.stream.get());
  }
}

/// Waits for the energies.
void CudaSpeech::choose(std::span<Clip> clips, const Context& context) const {
  context.measured.wait();
  for (Clip& clip : clips) {
    const auto energies = context.host_energies.span().subspan(clip.first_energy, std::size_t(clip.energies));
    const Rows kept = speech_rows(energies, clip.shape.frames(), config_);
    for (int row = kept.begin; row < kept.end; ++row) clip.heard.push_back(row);
  }
}

/// Has the measures of voice activity sent back.
void CudaSpeech::measure_voices(std::span<const Clip> clips, Context& context) const {
  const std::size_t frames = clips.back().first_frame + std::size_t(clips.back().shape.frames());
  context.log_mel.reserve(frames * config_.n_mels, kClip);
  context.measures.reserve(frames, kClip);
  context.host_measures.reserve(frames);
  for (const Clip& clip : clips) {
    float* mel = context.log_mel.data() + clip.first_frame * config_.n_mels;
    // A floor under the loudest band is not asked for; a place for it asks for decibels.
    mfcc_.log_mel(context.pcm.data() + clip.first_sample, clip.shape, mel, context.mfcc.loudest.data(), context.mfcc,
                  context.stream.get());
    frame_measures(mel, clip.shape.frames(), config_.n_mels, kChangeFrames, kChangeRange_db,
                   context.measures.data() + clip.first_frame, context.stream.get());
  }
  to_host(context.measures, context.host_measures, frames, context.stream);
  context.measured.record(context.stream);
}

/// Waits for the measures, chooses, and goes on to the features, which are relative to the voice's level.
void CudaSpeech::choose_voices(std::span<Clip> clips, Context& context) const {
  context.measured.wait();
  for (Clip& clip : clips) {
    std::vector<FrameMeasure> frames;
    for (const float2 m : context.host_measures.span().subspan(clip.first_frame, std::size_t(clip.shape.frames()))) {
      frames.push_back({m.x, m.y});
    }
    VoiceRows voice = voice_rows(frames, config_);
    mfcc_.cepstrum(context.log_mel.data() + clip.first_frame * config_.n_mels, clip.shape,
                   {.floor = voice_floor(voice.reference_db, config_), .reference = voice.reference_db},
                   context.features.data() + clip.first_frame * config_.features(), context.stream.get());
    clip.heard = std::move(voice.rows);
  }
}

/// From features to action units, for the clips with speech in them.
void CudaSpeech::answer(std::span<Clip> clips, Context& context) const {
  const cudaStream_t stream = context.stream.get();
  std::vector<Clip*> spoken;
  std::vector<LstmClip> states;
  std::vector<ReadOutRange> ranges;
  std::vector<int> heard;
  int first_row = 0;
  for (Clip& clip : clips) {
    clip.first_heard = heard.size();
    heard.insert(heard.end(), clip.heard.begin(), clip.heard.end());
    clip.states = {first_row, states_of(int(clip.heard.size()), config_)};
    first_row += clip.states.rows;
    clip.aus = Matrix(std::max(1, int(clip.times_s.size())), int(fc_bias_.size()));
    if (clip.states.rows == 0) continue;
    spoken.push_back(&clip);
    states.push_back(clip.states);
    if (clip.times_s.empty()) ranges.push_back({clip.states.first_row, 0, clip.states.rows});
    for (const double time_s : clip.times_s) {
      const Rows seen = states_around(time_s, clip.heard, config_);
      ranges.push_back({clip.states.first_row, seen.begin, seen.end});
    }
  }
  if (spoken.empty()) return context.stream.wait();  // what the device is still at may fail

  context.host_heard.reserve(heard.size());
  context.heard.reserve(heard.size(), kClip);
  std::ranges::copy(heard, context.host_heard.data());
  to_device(context.host_heard, context.heard, heard.size(), context.stream);
  context.host_clips.reserve(states.size());
  context.clips.reserve(states.size(), kClip);
  std::ranges::copy(states, context.host_clips.data());
  to_device(context.host_clips, context.clips, states.size(), context.stream);
  context.host_ranges.reserve(ranges.size());
  context.ranges.reserve(ranges.size(), kClip);
  std::ranges::copy(ranges, context.host_ranges.data());
  to_device(context.host_ranges, context.ranges, ranges.size(), context.stream);

  const int features = config_.features(), columns = lstm_.columns(), count = int(states.size());
  const std::size_t rows = std::size_t(states.back().first_row) + std::size_t(states.back().rows);
  context.x.reserve(rows * features, kClip);
  for (const Clip* clip : spoken) {
    standardise(context.features.data() + clip->first_frame * features, features, context.heard.data() + clip->first_heard,
                int(clip->heard.size()), config_.frame_stride, config_.utterance_mean_subtracted, feature_mean_.data(),
                feature_std_.data(), context.x.data() + std::size_t(clip->states.first_row) * features, stream);
  }
  const float* h = lstm_(context.x.data(), states, context.clips.data(), context.lstm, stream);

  const bool mean = config_.readout == Readout::kMean;
  if (mean) {
    context.sums.reserve(rows * columns, kClip);
    running_sums(h, columns, context.clips.data(), count, context.sums.data(), stream);
  }
  const std::size_t values = ranges.size() * fc_bias_.size();
  context.aus.reserve(values, kClip);
  context.host_aus.reserve(values);
  read_out({columns, int(fc_bias_.size()), fc_weight_.data(), fc_bias_.data()}, h, mean ? context.sums.data() : nullptr,
           config_.lstm_hidden, context.ranges.data(), int(ranges.size()), context.aus.data(), stream);
  to_host(context.aus, context.host_aus, values, context.stream);
  context.stream.wait();
  const float* from = context.host_aus.data();
  for (Clip* clip : spoken) {
    std::copy_n(from, clip->aus.values.size(), clip->aus.values.begin());
    from += clip->aus.values.size();
    check_answers(clip->aus.values, name_);
  }
}

void CudaSpeech::run(std::span<Clip> clips) const {
  if (clips.empty()) return;
  for (const Clip& clip : clips) {
    check_times(clip.times_s);
    check_clip(clip.pcm);
  }
  const auto context = borrow();
  upload(clips, *context);
  if (config_.voice_change_db > 0) {
    measure_voices(clips, *context);
    choose_voices(clips, *context);
  } else {
    measure(clips, *context);
    extract(clips, *context);
    choose(clips, *context);
  }
  answer(clips, *context);
}

Matrix CudaSpeech::mfcc(std::span<const float> pcm) const {
  check_clip(pcm);
  const auto context = borrow();
  Clip clip{pcm, {}};
  upload({&clip, 1}, *context);
  extract({&clip, 1}, *context);
  Matrix out(clip.shape.frames(), config_.features());
  context->host_features.reserve(out.values.size());
  to_host(context->features, context->host_features, out.values.size(), context->stream);
  context->stream.wait();
  std::copy_n(context->host_features.data(), out.values.size(), out.values.begin());
  return out;
}

Matrix CudaSpeech::speech(std::span<const float> pcm, std::span<const double> times_s) const {
  Clip clip{pcm, times_s};
  run({&clip, 1});
  return std::move(clip.aus);
}

std::vector<Matrix> CudaSpeech::speech(std::span<const std::span<const float>> clips) const {
  std::vector<Clip> calls;
  for (const auto& pcm : clips) calls.push_back({pcm, {}});
  run(calls);
  std::vector<Matrix> answers;
  for (Clip& call : calls) answers.push_back(std::move(call.aus));
  return answers;
}

}  // namespace emo
