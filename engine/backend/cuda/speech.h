#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/backend/backend.h"
#include "engine/backend/cuda/lstm.h"
#include "engine/backend/cuda/mfcc.h"
#include "engine/backend/shared/pool.h"
#include "engine/backend/shared/speech_rows.h"
#include "weights/model_file.h"

namespace emo {

/// Model B on the device: engine/backend/cpu/speech.h's preparation, checks and answers. Only which rows hold speech is
/// decided on the host, from a number or two a frame that the device found: energies, while it is at the MFCC, or the
/// measures of voice_activity.h, before it can be. Thread-safe: a call borrows a context (a stream and memory for the
/// longest clips so far) and waits while all are lent; the weights are shared.
class CudaSpeech {
 public:
  /// Throws Error(kDevice) for a model that the kernels do not take, Error(kMemory) when the device has no room for it.
  explicit CudaSpeech(const ModelFile& model, int max_contexts = 2);
  ~CudaSpeech();

  /// See Backend::mfcc.
  Matrix mfcc(std::span<const float> pcm) const;

  /// See Backend::speech and CpuSpeech::speech.
  Matrix speech(std::span<const float> pcm, std::span<const double> times_s) const;

  /// Many clips' own answers, a matrix of one row each: the bytes that each gets alone, in little more time than the longest
  /// takes.
  std::vector<Matrix> speech(std::span<const std::span<const float>> clips) const;

 private:
  struct Clip;
  struct Context;
  Pool<Context>::Lease borrow() const;
  void upload(std::span<Clip> clips, Context& context) const;
  void measure(std::span<const Clip> clips, Context& context) const;
  void extract(std::span<const Clip> clips, Context& context) const;
  void choose(std::span<Clip> clips, const Context& context) const;
  void measure_voices(std::span<const Clip> clips, Context& context) const;
  void choose_voices(std::span<Clip> clips, Context& context) const;
  void answer(std::span<Clip> clips, Context& context) const;
  void run(std::span<Clip> clips) const;

  std::string name_;  // of the model's file
  SpeechConfig config_;
  CudaMfcc mfcc_;
  CudaLstm lstm_;
  DeviceBuffer<double> feature_mean_, feature_std_;
  DeviceBuffer<float> fc_weight_, fc_bias_;
  mutable Pool<Context> contexts_;
};

}  // namespace emo
