#pragma once

#include <span>
#include <vector>

#include "base/tensor.h"
#include "engine/backend/backend.h"
#include "weights/safetensors.h"

namespace emo {

/// A stack of LSTM layers in fp32, as torch.nn.LSTM in evaluation with states that start at zero.
///
///   i, f, g, o = W_ih x[t] + b_ih + W_hh h[t-1] + b_hh      rows of the weights stacked in this order
///   c[t] = sigmoid(f) c[t-1] + sigmoid(i) tanh(g);  h[t] = sigmoid(o) tanh(c[t])
///
/// A bidirectional layer runs a second cell from the last frame to the first and gives [forward | backward]. The sums run
/// in one fixed order on the calling thread: the same bytes on every run.
/// Source: Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000.
class Lstm {
  struct Cell {
    int input = 0;
    HostBuffer<float> weights;  // [W_ih W_hh] transposed, in tiles of columns as multiply() reads them
    HostBuffer<float> bias;     // b_ih + b_hh
  };

  /// A cell on its way through a sequence.
  class Run {
   public:
    Run(const Cell& cell, int hidden);
    /// x (input). Gives h (hidden), valid until the next call.
    std::span<const float> step(std::span<const float> x);

   private:
    const Cell& cell_;
    std::vector<float> xh_;
    HostBuffer<float> gates_, c_, h_;  // padded
  };

 public:
  /// Packs lstm.weight_ih_l0, lstm.weight_hh_l0, lstm.bias_ih_l0, lstm.bias_hh_l0, ..._l0_reverse, ..._l1 and so on.
  /// Throws Error(kModel) when one is missing or has another shape.
  Lstm(const SafeTensors& tensors, int input, int hidden, int layers, bool bidirectional);

  /// x (T, input), T >= 0. Gives the last layer's states, (T, hidden * directions). Throws Error(kInternal) when x has
  /// another number of columns.
  Matrix operator()(const Matrix& x) const;

  /// The same frames one at a time, of a stack that is not bidirectional: the bytes that operator() gives. `lstm` must
  /// outlive it.
  class Stream {
   public:
    /// Throws Error(kInternal) for a bidirectional stack.
    explicit Stream(const Lstm& lstm);
    /// x (input). Gives the last layer's h (hidden), valid until the next call.
    std::span<const float> step(std::span<const float> x);

   private:
    std::vector<Run> runs_;  // a layer each
  };

 private:
  Cell pack(const SafeTensors& tensors, const std::string& suffix, int input) const;
  void run(const Cell& cell, const Matrix& x, bool backward, Matrix& out) const;

  int input_, hidden_, directions_;
  std::vector<Cell> cells_;  // (layers, directions)
};

}  // namespace emo
