#include "kernels/common.cuh"
#include "kernels/first_layer.h"
#include "kernels/launch.h"
#include "kernels/operands.cuh"

namespace emo {
namespace {

constexpr int kThreads = 256;

// A thread writes four channels of a pixel; what it reads lies in the first level cache for its neighbours.
template <typename T>
__global__ void __launch_bounds__(kThreads) unfold_rows_kernel(const float* x, T* y, int H, int W, int K) {
  ptx::start_after_the_kernels_before();
  const int C = padded_channels(3 * K), HW = H * W;
  const int i = blockIdx.x * kThreads + threadIdx.x, pixel = i / (C / 4), first = i % (C / 4) * 4;
  if (pixel >= HW) return;
  x += size_t(blockIdx.y) * 3 * HW;
  const auto value = [&](int channel) {
    const int column = pixel % W + channel / 3 - K / 2;
    const bool inside = column >= 0 && column < W && channel < 3 * K;
    return inside ? x[channel % 3 * HW + pixel - pixel % W + column] : 0.f;
  };
  store_4(y + (size_t(blockIdx.y) * HW + pixel) * C + first,
          {value(first), value(first + 1), value(first + 2), value(first + 3)});
}

// A thread an answer: its channel's weights of all AUs lie a row apart.
__global__ void __launch_bounds__(kThreads)
    fold_aus_kernel(const float* au, const float* weight, float* bias, int aus, int classes, int C_out) {
  const int i = blockIdx.x * kThreads + threadIdx.x, cls = i / C_out, c = i % C_out;
  ptx::start_after_the_kernels_before();
  if (cls >= classes) return;
  au += size_t(blockIdx.y) * aus;
  weight += size_t(cls) * aus * C_out + c;
  float sum = 0.f;
#pragma unroll 8  // loads of eight AUs at a time
  for (int a = 0; a < aus; ++a) sum = fmaf(au[a], weight[size_t(a) * C_out], sum);
  bias[size_t(blockIdx.y) * classes * C_out + i] = sum;
}

void check_odd(int K) {
  EMO_CHECK(K > 0 && K % 2 == 1, "first layer: a kernel of ", K, "x", K, " has no middle; an odd one is needed");
}

void check_weights(std::span<const float> weight, int C_out, int aus, int K) {
  check_odd(K);
  const std::size_t count = std::size_t(C_out) * (3 + aus) * K * K;
  EMO_CHECK(weight.size() == count, "first layer: ", weight.size(), " weights; (", C_out, ",", 3 + aus, ",", K, ",", K,
            ") needs ", count);
}

}  // namespace

ConvShape first_conv(int N, int C_out, int H, int W, int K) {
  return {N, H, W, padded_channels(3 * K), padded_channels(C_out), K, 1, 1, K / 2, 0};
}

std::vector<float> first_conv_weights(std::span<const float> weight, int C_out, int aus, int K) {
  check_weights(weight, C_out, aus, K);
  std::vector<float> rows(std::size_t(C_out) * 3 * K * K);
  for (int n = 0; n < C_out; ++n) {
    for (int i = 0; i < 3 * K * K; ++i) {
      const int c = i / (K * K), ky = i / K % K, kx = i % K;
      rows[(std::size_t(n) * 3 * K + 3 * kx + c) * K + ky] = weight[std::size_t(n) * (3 + aus) * K * K + i];
    }
  }
  return rows;
}

std::vector<float> au_weights(std::span<const float> weight, int C_out, int aus, int K, double au_scale) {
  check_weights(weight, C_out, aus, K);
  const int padded = padded_channels(C_out), taps = K * K, P = K / 2;
  // Taps inside the picture for class i: i < P are the pixels i from the start, i > P those 2P - i from the end.
  const auto inside = [P](int i, int tap) { return tap >= P - i && tap <= 3 * P - i; };
  std::vector<float> by_class(std::size_t(taps) * aus * padded, 0.f);
  for (int n = 0; n < C_out; ++n) {
    for (int a = 0; a < aus; ++a) {
      const float* from = weight.data() + (std::size_t(n) * (3 + aus) + 3 + a) * taps;
      for (int i = 0; i < taps; ++i) {
        double sum = 0;
        for (int t = 0; t < taps; ++t) sum += inside(i / K, t / K) && inside(i % K, t % K) ? from[t] : 0.f;
        by_class[(std::size_t(i) * aus + a) * padded + n] = float(sum * au_scale);
      }
    }
  }
  return by_class;
}

void unfold_rows(MathType math, const float* x, void* y, int N, int H, int W, int K, cudaStream_t stream) {
  check_odd(K);
  const Shape s{N, padded_channels(3 * K), H, W};
  if (s.count() == 0) return;
  const LaunchConfig config{
      .grid = dim3(ceil_div(H * W * (s.C / 4), kThreads), N), .block = kThreads, .early = true, .stream = stream};
  switch (math) {
    case MathType::kF16:
      return launch("unfold_rows", s, unfold_rows_kernel<__half>, config, x, static_cast<__half*>(y), H, W, K);
    case MathType::kBF16:
      return launch("unfold_rows", s, unfold_rows_kernel<__nv_bfloat16>, config, x, static_cast<__nv_bfloat16*>(y), H, W, K);
    case MathType::kTF32:
    case MathType::kFP32:
      return launch("unfold_rows", s, unfold_rows_kernel<float>, config, x, static_cast<float*>(y), H, W, K);
  }
}

void fold_aus(const float* au, const float* weight, float* bias, int N, int aus, int K, int C_out, cudaStream_t stream) {
  check_odd(K);
  if (N == 0) return;
  launch("fold_aus", Shape{N, C_out, K, K}, fold_aus_kernel,
         {.grid = dim3(ceil_div(K * K * C_out, kThreads), N), .block = kThreads, .early = true, .stream = stream}, au,
         weight, bias, aus, K * K, C_out);
}

}  // namespace emo
