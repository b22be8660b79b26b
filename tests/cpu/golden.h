#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/backend/backend.h"
#include "tests/close.h"
#include "weights/model_file.h"
#include "weights/safetensors.h"

namespace emo {

/// A file that tests/golden/make_speech.py made.
inline std::filesystem::path golden_path(const std::string& name) {
  return std::filesystem::path(EMO_SOURCE_DIR) / "tests/golden" / name;
}

/// A tensor of any shape as fp32.
inline std::vector<float> read_floats(const SafeTensors& file, const std::string& name) {
  return file.floats(name, file.at(name).shape);
}

inline Matrix read_matrix(const SafeTensors& file, const std::string& name) {
  const auto& shape = file.at(name).shape;
  Matrix m(int(shape.at(0)), int(shape.at(1)));
  m.values = read_floats(file, name);
  return m;
}

/// Of AUs. Features agree to 1e-3 dB, over a std of 5 and more; the LSTM and the FC layer do not magnify, and a mean over
/// frames divides what is left: 2e-6 was seen.
inline constexpr double kAuTolerance = 2e-5;

/// A backend's Speech against the training code's, with voice activity: clips and moments.
template <typename Speech>
void expect_golden_voice() {
  const SafeTensors golden(golden_path("speech_voice_aus.safetensors"));
  std::vector<double> times(golden.at("times").count());
  std::memcpy(times.data(), golden.at("times").bytes.data(), golden.at("times").bytes.size());
  const Speech speech(ModelFile(golden_path("speech_voice.safetensors")));
  for (const std::string signal : {"voice", "short", "tone", "nothing"}) {
    SCOPED_TRACE(signal);
    const auto pcm = read_floats(golden, signal + ".pcm");
    expect_close(speech.speech(pcm, {}).values, read_floats(golden, signal + "/clip"), kAuTolerance);
    expect_close(speech.speech(pcm, times).values, read_floats(golden, signal + "/frames"), kAuTolerance);
  }
}

/// A backend's Speech, from sound to AUs of clips and of moments, against PyTorch's.
template <typename Speech>
void expect_golden_chain() {
  const SafeTensors golden(golden_path("speech_aus.safetensors"));
  std::vector<double> times(golden.at("times").count());
  std::memcpy(times.data(), golden.at("times").bytes.data(), golden.at("times").bytes.size());
  for (const std::string model : {"mean", "last"}) {
    const Speech speech(ModelFile(golden_path("speech_" + model + ".safetensors")));
    for (const std::string signal : {"spoken", "voice", "click", "short"}) {
      SCOPED_TRACE(model + " " + signal);
      const auto pcm = read_floats(golden, signal + ".pcm");
      const std::string key = model + "/" + signal;
      expect_close(speech.speech(pcm, {}).values, read_floats(golden, key + "/clip"), kAuTolerance);
      expect_close(speech.speech(pcm, times).values, read_floats(golden, key + "/frames"), kAuTolerance);
    }
  }
}

}  // namespace emo
