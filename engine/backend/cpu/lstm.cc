#include "engine/backend/cpu/lstm.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <string>

#include "base/error.h"

namespace emo {
namespace {

// Four floats, in every x86-64 and ARM processor alike. Eight with AVX2 and FMA take 1.0 ms where this takes 1.7 (200
// frames, 2 layers of 96 units, EPYC): not worth a second copy of the code and bytes that differ from processor to
// processor.
using Vec = float __attribute__((vector_size(16), may_alias));
using IntVec = std::int32_t __attribute__((vector_size(16)));
constexpr int kLanes = 4;
constexpr int kSums = 8;
constexpr int kTile = kSums * kLanes;

/// Units are padded to a multiple of 8, so that the four gates fill whole tiles. A padded unit has zero weights and biases;
/// its c and h stay zero.
int padded(int hidden) { return (hidden + 7) / 8 * 8; }

/// gates = bias + weights^T xh.  weights (columns / kTile, n, kTile), xh (n), bias and gates (columns); all but xh aligned.
void multiply(const float* weights, const float* bias, const float* xh, int n, int columns, float* gates) {
  const auto* w = reinterpret_cast<const Vec*>(weights);
  for (int column = 0; column < columns; column += kTile) {
    Vec sum[kSums] = {};
    for (int k = 0; k < n; ++k, w += kSums) {
#pragma GCC unroll 8
      for (int i = 0; i < kSums; ++i) sum[i] += xh[k] * w[i];
    }
    const auto* b = reinterpret_cast<const Vec*>(bias + column);
    auto* y = reinterpret_cast<Vec*>(gates + column);
#pragma GCC unroll 8
    for (int i = 0; i < kSums; ++i) y[i] = sum[i] + b[i];
  }
}

/// exp within 1e-7 of its value: 2^n times the series to r^7, |r| <= ln(2) / 2.
inline Vec exp_of(Vec x) {
  constexpr Vec kMin = {-87, -87, -87, -87}, kMax = {87, 87, 87, 87};
  x = x < kMin ? kMin : x;
  x = x > kMax ? kMax : x;
  constexpr float kRound = 12582912.f;  // 1.5 * 2^23: adding it leaves no bits for a fraction
  const Vec n = (x * 1.44269504f + kRound) - kRound;
  const Vec r = (x - n * 0.693359375f) + n * 2.12194440e-4f;  // ln 2 in two parts; n times the first is exact
  Vec e = r * (1 / 5040.f) + 1 / 720.f;
  e = e * r + 1 / 120.f;
  e = e * r + 1 / 24.f;
  e = e * r + 1 / 6.f;
  e = e * r + 0.5f;
  e = e * r + 1.f;
  e = e * r + 1.f;
  return e * Vec((__builtin_convertvector(n, IntVec) + 127) << 23);
}

inline Vec sigmoid(Vec x) { return 1.f / (1.f + exp_of(-x)); }
inline Vec tanh_of(Vec x) { return 2.f * sigmoid(2.f * x) - 1.f; }

/// The new c and h from the four gates' sums; each gate, c and h (units), aligned, units a multiple of kLanes.
void update(const float* gates, int units, float* c, float* h) {
  for (int j = 0; j < units; j += kLanes) {
    const auto gate = [&](int g) { return *reinterpret_cast<const Vec*>(gates + g * units + j); };
    Vec& cell = *reinterpret_cast<Vec*>(c + j);
    cell = sigmoid(gate(1)) * cell + sigmoid(gate(0)) * tanh_of(gate(2));
    *reinterpret_cast<Vec*>(h + j) = sigmoid(gate(3)) * tanh_of(cell);
  }
}

}  // namespace

Lstm::Lstm(const SafeTensors& tensors, int input, int hidden, int layers, bool bidirectional)
    : input_(input), hidden_(hidden), directions_(bidirectional ? 2 : 1) {
  for (int layer = 0; layer < layers; ++layer) {
    const int columns = layer == 0 ? input : hidden * directions_;
    for (int d = 0; d < directions_; ++d) {
      cells_.push_back(pack(tensors, "_l" + std::to_string(layer) + (d == 1 ? "_reverse" : ""), columns));
    }
  }
}

Lstm::Cell Lstm::pack(const SafeTensors& tensors, const std::string& suffix, int input) const {
  const auto read = [&](const std::string& name, std::vector<std::int64_t> shape) {
    return tensors.floats("lstm." + name + suffix, shape);
  };
  const int rows = 4 * hidden_, n = input + hidden_;
  const auto w_ih = read("weight_ih", {rows, input}), w_hh = read("weight_hh", {rows, hidden_});
  const auto b_ih = read("bias_ih", {rows}), b_hh = read("bias_hh", {rows});

  const int units = padded(hidden_), columns = 4 * units;
  Cell cell{input, HostBuffer<float>(std::size_t(columns) * n), HostBuffer<float>(columns)};
  std::ranges::fill(cell.weights.span(), 0.f);
  std::ranges::fill(cell.bias.span(), 0.f);
  for (int row = 0; row < rows; ++row) {
    const int column = row / hidden_ * units + row % hidden_;
    const auto at = [&](int k) { return (std::size_t(column / kTile) * n + k) * kTile + column % kTile; };
    for (int k = 0; k < input; ++k) cell.weights[at(k)] = w_ih[std::size_t(row) * input + k];
    for (int k = 0; k < hidden_; ++k) cell.weights[at(input + k)] = w_hh[std::size_t(row) * hidden_ + k];
    cell.bias[column] = b_ih[row] + b_hh[row];
  }
  return cell;
}

Lstm::Run::Run(const Cell& cell, int hidden)
    : cell_(cell), xh_(std::size_t(cell.input + hidden)), gates_(cell.bias.size()), c_(gates_.size() / 4), h_(c_.size()) {
  std::ranges::fill(c_.span(), 0.f);
  std::ranges::fill(h_.span(), 0.f);
}

std::span<const float> Lstm::Run::step(std::span<const float> x) {
  std::ranges::copy(x, xh_.begin());
  multiply(cell_.weights.data(), cell_.bias.data(), xh_.data(), int(xh_.size()), int(gates_.size()), gates_.data());
  update(gates_.data(), int(c_.size()), c_.data(), h_.data());
  const std::span<const float> h(h_.data(), xh_.size() - std::size_t(cell_.input));
  std::ranges::copy(h, xh_.begin() + cell_.input);
  return h;
}

void Lstm::run(const Cell& cell, const Matrix& x, bool backward, Matrix& out) const {
  Run run(cell, hidden_);
  for (int step = 0; step < x.rows; ++step) {
    const int t = backward ? x.rows - 1 - step : step;
    const auto h = run.step({x.row(t), std::size_t(cell.input)});
    std::ranges::copy(h, out.row(t) + (backward ? hidden_ : 0));
  }
}

Lstm::Stream::Stream(const Lstm& lstm) {
  EMO_CHECK(lstm.directions_ == 1, "lstm: a stream has no end from which to go back");
  for (const Cell& cell : lstm.cells_) runs_.emplace_back(cell, lstm.hidden_);
}

std::span<const float> Lstm::Stream::step(std::span<const float> x) {
  for (Run& run : runs_) x = run.step(x);
  return x;
}

Matrix Lstm::operator()(const Matrix& x) const {
  EMO_CHECK(x.cols == input_, "lstm: a frame has ", x.cols, " features; the weights take ", input_);
  Matrix below = x;
  for (std::size_t cell = 0; cell < cells_.size(); cell += std::size_t(directions_)) {
    Matrix out(x.rows, hidden_ * directions_);
    for (int d = 0; d < directions_; ++d) run(cells_[cell + std::size_t(d)], below, d == 1, out);
    below = std::move(out);
  }
  return below;
}

}  // namespace emo
