#pragma once

#include <cmath>
#include <cstdint>
#include <string>

#include "base/error.h"
#include "engine/media/media.h"

namespace emo {

/// fail() with the file's name in front.
struct Refuse {
  const std::string name;

  template <typename... Why>
  [[noreturn]] void operator()(const Why&... why) const {
    fail(ErrorKind::kInput, name, ": ", why...);
  }
};

/// To print: 1.5 of 1.50002.
inline double to_ms(double seconds) { return std::round(seconds * 1000) / 1000; }

/// Decodes a sound, mixes it to mono (mean of the channels; the strongest alone where they cancel in it), brings it to the
/// clip's rate with soxr (HQ) and appends it, from its time 0 on: silence where it starts later. Returns its frames.
/// Throws Error(kInput) naming the file: a clip longer than the limit, a rate or number of channels past
/// the limits, what is no sample.
std::int64_t append_mono(AudioSource& source, const AudioLimits& limits, const Refuse& refuse, Clip& clip);

}  // namespace emo
