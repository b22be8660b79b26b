#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/dtype.h"
#include "base/shape.h"
#include "weights/layers.h"
#include "weights/model_file.h"

/// The generator's operations as plain loops in double, planar (C,H,W), straight from their definitions.
namespace emo::reference {

using Values = std::vector<double>;

/// Cross-correlation as torch.nn.Conv2d without bias: weight (C_out,C_in,K,K), padding with zeros.
inline Values conv2d(const Values& x, Shape in, const Values& weight, int C_out, int K, int S, int P) {
  const int H = (in.H + 2 * P - K) / S + 1, W = (in.W + 2 * P - K) / S + 1;
  Values y(std::size_t(C_out) * H * W);
  for (int o = 0; o < C_out; ++o) {
    for (int h = 0; h < H; ++h) {
      for (int w = 0; w < W; ++w) {
        double sum = 0;
        for (int i = 0; i < in.C; ++i) {
          for (int ky = 0; ky < K; ++ky) {
            for (int kx = 0; kx < K; ++kx) {
              const int sy = h * S - P + ky, sx = w * S - P + kx;
              if (sy < 0 || sy >= in.H || sx < 0 || sx >= in.W) continue;
              sum += x[(std::size_t(i) * in.H + sy) * in.W + sx] * weight[((std::size_t(o) * in.C + i) * K + ky) * K + kx];
            }
          }
        }
        y[(std::size_t(o) * H + h) * W + w] = sum;
      }
    }
  }
  return y;
}

/// As torch.nn.ConvTranspose2d without bias: weight (C_in,C_out,K,K); every input pixel is spread over KxK outputs.
inline Values deconv2d(const Values& x, Shape in, const Values& weight, int C_out, int K, int S, int P) {
  const int H = (in.H - 1) * S - 2 * P + K, W = (in.W - 1) * S - 2 * P + K;
  Values y(std::size_t(C_out) * H * W);
  for (int i = 0; i < in.C; ++i) {
    for (int o = 0; o < C_out; ++o) {
      for (int h = 0; h < in.H; ++h) {
        for (int w = 0; w < in.W; ++w) {
          for (int ky = 0; ky < K; ++ky) {
            for (int kx = 0; kx < K; ++kx) {
              const int ty = h * S - P + ky, tx = w * S - P + kx;
              if (ty < 0 || ty >= H || tx < 0 || tx >= W) continue;
              y[(std::size_t(o) * H + ty) * W + tx] +=
                  x[(std::size_t(i) * in.H + h) * in.W + w] * weight[((std::size_t(i) * C_out + o) * K + ky) * K + kx];
            }
          }
        }
      }
    }
  }
  return y;
}

/// As torch.nn.InstanceNorm2d in training's sense: each plane's own mean and variance (divided by H*W).
inline void instance_norm(Values& x, Shape s, const Values& scale, const Values& shift, double eps) {
  for (int c = 0; c < s.C; ++c) {
    double* plane = x.data() + std::size_t(c) * s.plane();
    double mean = 0, var = 0;
    for (std::size_t i = 0; i < s.plane(); ++i) mean += plane[i] / double(s.plane());
    for (std::size_t i = 0; i < s.plane(); ++i) var += (plane[i] - mean) * (plane[i] - mean) / double(s.plane());
    for (std::size_t i = 0; i < s.plane(); ++i) plane[i] = (plane[i] - mean) / std::sqrt(var + eps) * scale[c] + shift[c];
  }
}

struct Generated {
  Values out, mask, colour;
  std::map<std::string, Values> layers;
};

/// One face (3,S,S) with the AU planes made in full. With `bf16`, what a convolution multiplies (the AU planes and their
/// weights apart, which are folded into a bias) is rounded to bf16 first, as a bf16 engine's convolutions do.
inline Generated generate(const ModelFile& file, const std::vector<float>& face, const std::vector<float>& au, int side,
                          bool bf16 = false) {
  const GeneratorConfig& config = file.generator();
  const auto rounded = [&](Values v, std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; bf16 && i < end; ++i) v[i] = bf16_to_float(float_to_bf16(float(v[i])));
    return v;
  };
  const auto tensor = [&](const std::string& name) {
    const std::vector<float> v = file.floats(name);
    return Values(v.begin(), v.end());
  };
  Generated result;
  Values x = rounded(Values(face.begin(), face.end()), 0, face.size()), block;
  const std::size_t plane = std::size_t(side) * side;
  for (const float a : au) x.insert(x.end(), plane, a * config.au_scale);

  const std::vector<LayerSpec> layers = generator_layers(config, side);
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const LayerSpec& l = layers[i];
    Values weight = tensor(l.weight());
    const std::size_t taps = std::size_t(l.K) * l.K, filter = l.C_in * taps;
    if (i == 0) {
      for (int c = 0; c < l.C_out; ++c) weight = rounded(std::move(weight), c * filter, c * filter + 3 * taps);
    } else {
      weight = rounded(std::move(weight), 0, weight.size());
    }
    const Values input = i == 0 ? x : rounded(x, 0, x.size());
    Values y = l.op == Op::kConv ? conv2d(input, l.in, weight, l.C_out, l.K, l.S, l.P)
                                 : deconv2d(input, l.in, weight, l.C_out, l.K, l.S, l.P);
    if (l.norm == Norm::kInstance) {
      Values scale(l.C_out, 1.), shift(l.C_out, 0.);
      if (config.norm_affine) scale = tensor(l.norm_key + ".weight"), shift = tensor(l.norm_key + ".bias");
      instance_norm(y, l.out, scale, shift, config.norm_eps);
    }
    for (double& v : y) {
      if (l.act == Act::kRelu) v = std::max(v, 0.);
      if (l.act == Act::kTanh) v = std::tanh(v);
      if (l.act == Act::kSigmoid) v = 1 / (1 + std::exp(-v));
    }
    if (l.adds_block_input) {
      for (std::size_t j = 0; j < y.size(); ++j) y[j] += block[j];
    }
    result.layers[l.key] = y;
    if (l.norm == Norm::kNone) {  // colour and mask read the same input
      (l.act == Act::kTanh ? result.colour : result.mask) = std::move(y);
      continue;
    }
    if (i + 2 < layers.size() && layers[i + 2].adds_block_input) block = y;
    x = std::move(y);
  }
  result.out.resize(3 * plane);
  for (std::size_t i = 0; i < 3 * plane; ++i) {
    const double keep = config.mask_keeps_image ? result.mask[i % plane] : 1 - result.mask[i % plane];
    result.out[i] = keep * face[i] + (1 - keep) * result.colour[i];
  }
  result.layers["output"] = result.out;
  return result;
}

}  // namespace emo::reference
