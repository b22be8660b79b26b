#include "engine/backend/cpu/lstm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "base/error.h"
#include "tests/close.h"
#include "tests/cpu/golden.h"
#include "tests/random_speech.h"

namespace emo {
namespace {

using Weights = std::map<std::string, std::vector<float>>;

SpeechConfig shape_of(int input, int hidden, int layers, bool bidirectional) {
  SpeechConfig config;
  config.n_mfcc = input;
  config.lstm_hidden = hidden;
  config.lstm_layers = layers;
  config.bidirectional = bidirectional;
  config.feature_mean.assign(input, 0);
  config.feature_std.assign(input, 1);
  return config;
}

Lstm make(const SpeechConfig& c, const Weights& weights) {
  const TemporaryModel file(c, weights);
  return Lstm(SafeTensors(file.path()), c.n_mfcc, c.lstm_hidden, c.lstm_layers, c.bidirectional);
}

Matrix random_frames(int T, int cols) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  Matrix x(T, cols);
  for (float& v : x.values) v = normal(random);
  return x;
}

/// The formulas of lstm.h, one unit at a time in fp64.
Matrix reference(const SpeechConfig& c, Weights w, Matrix x) {
  const int H = c.lstm_hidden, directions = c.bidirectional ? 2 : 1;
  const auto sigmoid = [](double v) { return 1 / (1 + std::exp(-v)); };
  for (int layer = 0; layer < c.lstm_layers; ++layer) {
    Matrix out(x.rows, H * directions);
    for (int d = 0; d < directions; ++d) {
      const std::string suffix = "_l" + std::to_string(layer) + (d ? "_reverse" : "");
      std::vector<double> h(H), cell(H);
      for (int step = 0; step < x.rows; ++step) {
        const int t = d ? x.rows - 1 - step : step;
        const auto before = h;
        const auto gate = [&](int row) {
          double sum = double(w["lstm.bias_ih" + suffix][row]) + w["lstm.bias_hh" + suffix][row];
          for (int k = 0; k < x.cols; ++k) sum += double(w["lstm.weight_ih" + suffix][row * x.cols + k]) * x.row(t)[k];
          for (int k = 0; k < H; ++k) sum += double(w["lstm.weight_hh" + suffix][row * H + k]) * before[k];
          return sum;
        };
        for (int j = 0; j < H; ++j) {
          cell[j] = sigmoid(gate(H + j)) * cell[j] + sigmoid(gate(j)) * std::tanh(gate(2 * H + j));
          h[j] = sigmoid(gate(3 * H + j)) * std::tanh(cell[j]);
          out.row(t)[d * H + j] = float(h[j]);
        }
      }
    }
    x = out;
  }
  return x;
}

TEST(Lstm, MatchesPyTorch) {
  const SafeTensors golden(golden_path("speech_lstm.safetensors"));
  for (const std::string name : {"narrow", "long", "both_ways", "one_frame"}) {
    SCOPED_TRACE(name);
    const Matrix x = read_matrix(golden, name + "/x"), want = read_matrix(golden, name + "/states");
    Weights weights;
    int layers = 0;
    bool bidirectional = false;
    const std::string prefix = name + "/lstm.";
    for (const auto& [key, tensor] : golden.tensors()) {
      if (!key.starts_with(prefix)) continue;
      weights[key.substr(name.size() + 1)] = read_floats(golden, key);
      layers += key.starts_with(prefix + "weight_ih") && !key.ends_with("_reverse");
      bidirectional |= key.ends_with("_reverse");
    }
    const SpeechConfig config = shape_of(x.cols, want.cols / (bidirectional ? 2 : 1), layers, bidirectional);
    for (const TensorSpec& fc : speech_tensors(config)) {
      if (fc.name.starts_with("fc.")) weights[fc.name] = random_weights(config)[fc.name];
    }
    const Matrix got = make(config, weights)(x);
    EXPECT_EQ(got.cols, want.cols);
    expect_close(got.values, want.values, 1e-5);
  }
}

TEST(Lstm, MatchesAPlainLoopAtOddSizes) {
  for (const SpeechConfig& config : {shape_of(1, 1, 1, false), shape_of(3, 7, 2, true), shape_of(19, 8, 1, false),
                                     shape_of(2, 111, 1, false), shape_of(5, 33, 3, true)}) {
    SCOPED_TRACE(config.lstm_hidden);
    const auto weights = random_weights(config);
    const Matrix x = random_frames(23, config.n_mfcc);
    expect_close(make(config, weights)(x).values, reference(config, weights, x).values, 1e-5);
  }
}

/// One unit that sees no input and no state: its gates are what the biases say. The unit's first three states.
std::vector<float> states_of_biases(std::vector<float> ifgo) {
  const SpeechConfig config = shape_of(1, 1, 1, false);
  Weights weights = random_weights(config, 0);
  weights["lstm.bias_ih_l0"] = std::move(ifgo);
  return make(config, weights)(Matrix(3, 1)).values;
}

TEST(Lstm, GateOrderIsIFGO) {
  constexpr float kOpen = 1000, kShut = -1000;
  const float tanh1 = std::tanh(1.f), tanh2 = std::tanh(2.f), tanh3 = std::tanh(3.f);
  // All open, the cell counts frames.
  expect_close(states_of_biases({kOpen, kOpen, kOpen, kOpen}), std::vector{tanh1, tanh2, tanh3}, 1e-6);
  expect_close(states_of_biases({kShut, kOpen, kOpen, kOpen}), std::vector{0.f, 0.f, 0.f}, 1e-6);
  expect_close(states_of_biases({kOpen, kShut, kOpen, kOpen}), std::vector{tanh1, tanh1, tanh1}, 1e-6);
  expect_close(states_of_biases({kOpen, kOpen, kShut, kOpen}), std::vector{-tanh1, -tanh2, -tanh3}, 1e-6);
  expect_close(states_of_biases({kOpen, kOpen, kOpen, kShut}), std::vector{0.f, 0.f, 0.f}, 1e-6);
}

TEST(Lstm, NoFramesGiveNoStates) {
  const SpeechConfig config = shape_of(4, 5, 2, true);
  const Matrix states = make(config, random_weights(config))(Matrix(0, 4));
  EXPECT_EQ(states.rows, 0);
  EXPECT_EQ(states.cols, 10);
}

TEST(Lstm, BackwardHalfIsTheForwardCellOnReversedFrames) {
  const SpeechConfig both = shape_of(4, 5, 1, true), one = shape_of(4, 5, 1, false);
  Weights weights = random_weights(both);
  Weights reversed = random_weights(one);
  for (const std::string name : {"weight_ih", "weight_hh", "bias_ih", "bias_hh"}) {
    reversed["lstm." + name + "_l0"] = weights["lstm." + name + "_l0_reverse"];
  }
  const Matrix x = random_frames(9, 4);
  Matrix backwards(9, 4);
  for (int t = 0; t < 9; ++t) std::copy_n(x.row(8 - t), 4, backwards.row(t));
  const Matrix got = make(both, weights)(x), want = make(one, reversed)(backwards);
  for (int t = 0; t < 9; ++t) {
    for (int j = 0; j < 5; ++j) EXPECT_EQ(got.row(t)[5 + j], want.row(8 - t)[j]);
  }
}

TEST(Lstm, FrameOfAnotherWidthIsRefused) {
  const SpeechConfig config = shape_of(4, 5, 1, false);
  const Lstm lstm = make(config, random_weights(config));
  try {
    lstm(Matrix(2, 3));
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kInternal);
    EXPECT_STREQ(e.what(), "lstm: a frame has 3 features; the weights take 4");
  }
}

}  // namespace
}  // namespace emo
