#pragma once

#include <cfloat>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "base/dtype.h"
#include "kernels/conv2d.h"
#include "tests/simt/buffer.h"

/// Convolutions for tests: channels-last in and out with padded channels, and the plain loops that they are held against.
namespace emo {

inline std::vector<float> normal_values(std::size_t count, unsigned seed = 7) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& v : values) v = normal(random);
  return values;
}

/// `v` as an operand of this type has it.
inline float rounded(MathType math, float v) {
  if (math == MathType::kF16) return half_to_float(float_to_half(v));
  if (math == MathType::kBF16) return bf16_to_float(float_to_bf16(v));
  if (math == MathType::kTF32) return std::bit_cast<float>((std::bit_cast<std::uint32_t>(v) + 0x1000u) & 0xffffe000u);
  return v;
}

inline std::vector<std::byte> to_operands(MathType math, const std::vector<float>& values) {
  const int bytes = operand_bytes(math);
  std::vector<std::byte> operands(values.size() * bytes);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::uint16_t bits = math == MathType::kF16 ? float_to_half(values[i]) : float_to_bf16(values[i]);
    if (bytes == 2) std::memcpy(&operands[i * 2], &bits, 2);
    if (bytes == 4) std::memcpy(&operands[i * 4], &values[i], 4);
  }
  return operands;
}

inline std::vector<float> from_operands(MathType math, const std::vector<std::byte>& operands) {
  const int bytes = operand_bytes(math);
  std::vector<float> values(operands.size() / bytes);
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::uint16_t bits = 0;
    if (bytes == 2) std::memcpy(&bits, &operands[i * 2], 2);
    if (bytes == 4) std::memcpy(&values[i], &operands[i * 4], 4);
    if (bytes == 2) values[i] = math == MathType::kF16 ? half_to_float(bits) : bf16_to_float(bits);
  }
  return values;
}

/// A convolution with the channels that it really has, and random values for it.
struct ConvCase {
  MathType math;
  ConvShape shape;  ///< padded
  int C_in, C_out;
  std::vector<float> x, weight;  ///< (N,H,W,shape.C_in), the padding 0; as in pack_conv_weights
  std::vector<float> bias;       ///< (classes, shape.C_out), the padding 0; empty for none
  int border = 0;

  /// `s` with real channels. x and weight are what the type can hold, except that kTF32 must round x by itself.
  ConvCase(MathType math, ConvShape s) : math(math), shape(s), C_in(s.C_in), C_out(s.C_out) {
    shape.C_in = padded_channels(C_in);
    shape.C_out = padded_channels(C_out);
    x.resize(shape.in().count());
    const std::vector<float> values = normal_values(std::size_t(s.N) * s.H * s.W * C_in);
    for (std::size_t p = 0; p < values.size() / C_in; ++p) {
      for (int c = 0; c < C_in; ++c) {
        const float v = values[p * C_in + c];
        x[p * shape.C_in + c] = math == MathType::kTF32 ? v : rounded(math, v);
      }
    }
    weight = normal_values(std::size_t(C_in) * C_out * s.KH * s.KW, 8);
    for (float& w : weight) w = rounded(math, w);
  }

  void add_bias(int border_pixels = 0) {
    border = border_pixels;
    const int classes = border == 0 ? 1 : shape.N * (2 * border + 1) * (2 * border + 1);
    const std::vector<float> values = normal_values(std::size_t(classes) * C_out, 9);
    bias.assign(std::size_t(classes) * shape.C_out, 0.f);
    for (int i = 0; i < classes; ++i) std::copy_n(&values[i * C_out], C_out, &bias[i * shape.C_out]);
  }

  int terms() const { return shape.taps() * C_in; }
};

struct ConvResult {
  std::vector<float> y;          ///< (N,H_out,W_out,C_out), padded
  std::vector<Moments> moments;  ///< (N,strips,C_out), padded
  bool operator==(const ConvResult& other) const {
    return y.size() == other.y.size() && std::memcmp(y.data(), other.y.data(), y.size() * sizeof(float)) == 0 &&
           std::memcmp(moments.data(), other.moments.data(), moments.size() * sizeof(Moments)) == 0;
  }
};

inline ConvResult run(const ConvCase& c, const ConvPlan& plan, bool y_as_operand = false) {
  const ConvShape& s = c.shape;
  const Buffer<std::byte> x(to_operands(c.math, c.x));
  const Buffer<std::byte> weights(pack_conv_weights(c.math, s, c.weight, c.C_out, c.C_in));
  const Buffer<float> bias(c.bias);
  const Buffer<std::byte> y(s.out().count() * (y_as_operand ? operand_bytes(c.math) : 4));
  const Buffer<Moments> moments(std::size_t(s.N) * s.strips() * s.C_out);
  const ConvWorkspaceSize size = conv2d_workspace(c.math, s, plan);
  const Buffer<float> sums(size.floats);
  const Buffer<unsigned> counters(std::vector<unsigned>(size.counters, 0));
  conv2d(c.math, s, plan, x, weights, y, y_as_operand, {c.bias.empty() ? nullptr : bias.get(), c.border, moments},
         {sums, counters}, nullptr);
  ConvResult result{from_operands(y_as_operand ? c.math : MathType::kFP32, y.host()), moments.host()};
  for (const unsigned left : counters.host()) EXPECT_EQ(left, 0u);
  return result;
}

/// The definition, in double: y[oy,ox] = sum x[oy*S - P + ky, ...] w, and for the transposed x[iy] adds to y[2*iy - 1 + ky].
inline std::vector<float> plain_conv(const ConvCase& c) {
  const ConvShape& s = c.shape;
  const int H = s.H_out(), W = s.W_out();
  std::vector<double> y(s.out().count(), 0.);
  for (int n = 0; n < s.N; ++n) {
    for (int oy = 0; oy < H; ++oy) {
      for (int ox = 0; ox < W; ++ox) {
        const auto classed = [&](int i, int size) {
          return i < c.border ? i : i >= size - c.border ? 2 * c.border + 1 - (size - i) : c.border;
        };
        const int side = 2 * c.border + 1;
        const int at = c.border == 0 ? 0 : (n * side + classed(oy, H)) * side + classed(ox, W);
        for (int k = 0; k < c.C_out && !c.bias.empty(); ++k) {
          y[((std::size_t(n) * H + oy) * W + ox) * s.C_out + k] = c.bias[at * s.C_out + k];
        }
      }
    }
    const int rows = s.transposed ? s.H : H, columns = s.transposed ? s.W : W;
    for (int i = 0; i < rows * columns * s.KH * s.KW; ++i) {
      const int kx = i % s.KW, ky = i / s.KW % s.KH, x0 = i / s.KW / s.KH % columns, y0 = i / s.KW / s.KH / columns;
      const int x1 = x0 * s.S - s.PW + kx, y1 = y0 * s.S - s.PH + ky;
      const int ix = s.transposed ? x0 : x1, iy = s.transposed ? y0 : y1;
      const int ox = s.transposed ? x1 : x0, oy = s.transposed ? y1 : y0;
      if (ix < 0 || iy < 0 || ox < 0 || oy < 0 || ix >= s.W || iy >= s.H || ox >= W || oy >= H) continue;
      const float* from = &c.x[((std::size_t(n) * s.H + iy) * s.W + ix) * s.C_in];
      double* to = &y[((std::size_t(n) * H + oy) * W + ox) * s.C_out];
      for (int k = 0; k < c.C_out; ++k) {
        for (int j = 0; j < c.C_in; ++j) {
          const int filter = s.transposed ? j * c.C_out + k : k * c.C_in + j;
          to[k] += double(rounded(c.math, from[j])) * c.weight[(std::size_t(filter) * s.KH + ky) * s.KW + kx];
        }
      }
    }
  }
  return {y.begin(), y.end()};
}

/// Each of K products of unit normals adds a rounding of the running sum, which is near sqrt(K): sqrt(K) * eps * sqrt(K) if
/// they add up as noise does. 4 sigma of the values and as much of the noise, over some 10^5 values: 16.
inline double sum_tolerance(int K) { return 16. * K * FLT_EPSILON / 2 + FLT_EPSILON; }

}  // namespace emo
