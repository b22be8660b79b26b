#pragma once

#include <benchmark/benchmark.h>

#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "bench/ceiling.h"
#include "engine/backend/backend.h"
#include "weights/config.h"

namespace emo {

/// Registers the benchmarks of this executable, one for each target; every bench_NAME.cc defines it.
void register_all();

/// Whether a GPU's wgmma is used; --no-wgmma makes it false.
inline bool may_use_wgmma = true;

/// Where something is measured.
struct Target {
  BackendKind backend;
  Precision precision;
  BackendOptions options() const { return {.kind = backend, .precision = precision, .wgmma = may_use_wgmma}; }
  /// "backend:cuda/precision:fp16"
  std::string title() const;
};

/// Measures the ceiling of a target; false where this build or machine has not got it, with the reason on stderr.
bool has_ceiling(const Target& target);

/// All backends that are there, in these precisions.
std::vector<Target> targets(std::initializer_list<Precision> precisions = {Precision::kFp32, Precision::kTf32,
                                                                           Precision::kBf16, Precision::kFp16});

/// What a benchmark opened, kept for its next call: Google Benchmark calls it with more and more iterations until they take
/// long enough. Whoever asks for something else closes it.
template <typename T>
class Kept {
 public:
  template <typename... Args>
  T& open(const std::string& name, const Args&... args) {
    if (name != name_) {
      value_.reset();
      value_ = std::make_unique<T>(args...);
      name_ = name;
    }
    return *value_;
  }

 private:
  std::string name_;
  std::unique_ptr<T> value_;
};

/// What cannot be avoided for an answer.
struct Work {
  double flops = 0;
  double bytes = 0;  ///< each weight, input and output once
  Work operator+(const Work& other) const { return {flops + other.flops, bytes + other.bytes}; }
};

/// N images. The AU planes are constant, so what they add is a bias that nobody needs to multiply out: not counted.
Work generator_work(const GeneratorConfig& config, Precision precision, int N);

/// The LSTM over a clip.
Work speech_work(const SpeechConfig& config, double seconds);

/// Sets the counters tflops and share_of_ceiling: the time that the machine needs at least, by arithmetic or by memory,
/// whichever is longer, over the time that was taken.
void report_work(benchmark::State& state, const Work& work, double seconds, const Ceiling& ceiling);

}  // namespace emo
