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

constexpr int kChannels = 32, kRows = 8;  // of a block of fold_aus

// Taps inside the picture for class i: i < P are the pixels i from the start, i > P those 2P - i from the end.
__device__ int first_tap(int i, int P) { return max(0, P - i); }
__device__ int last_tap(int i, int P) { return min(2 * P, 3 * P - i); }

// Three sums after each other, so that the middle class adds 17 + 7 + 7 terms in a row and not 17 * 49.
__global__ void fold_aus_kernel(const float* au, const float* weight, float* bias, int aus, int K, int C_out) {
  SharedMemory smem;
  float* by_tap = smem.take<float>(K * K * kChannels);     // (ky,kx)
  float* by_column = smem.take<float>(K * K * kChannels);  // (row class,kx)
  const int lane = threadIdx.x, c = blockIdx.x * kChannels + lane, P = K / 2;
  au += size_t(blockIdx.y) * aus;
  for (int tap = threadIdx.y; tap < K * K; tap += kRows) {
    float sum = 0.f;
    for (int a = 0; a < aus && c < C_out; ++a) sum = fmaf(au[a], weight[(size_t(tap) * aus + a) * C_out + c], sum);
    by_tap[tap * kChannels + lane] = sum;
  }
  __syncthreads();  // taps of other rows
  for (int i = threadIdx.y; i < K * K; i += kRows) {
    float sum = 0.f;
    for (int ky = first_tap(i / K, P); ky <= last_tap(i / K, P); ++ky) sum += by_tap[(ky * K + i % K) * kChannels + lane];
    by_column[i * kChannels + lane] = sum;
  }
  __syncthreads();  // columns of other rows
  for (int i = threadIdx.y; i < K * K && c < C_out; i += kRows) {
    float sum = 0.f;
    for (int kx = first_tap(i % K, P); kx <= last_tap(i % K, P); ++kx) sum += by_column[(i / K * K + kx) * kChannels + lane];
    bias[(size_t(blockIdx.y) * K * K + i) * C_out + c] = sum;
  }
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
  const std::size_t padded = padded_channels(C_out), taps = std::size_t(K) * K;
  std::vector<float> by_tap(taps * aus * padded, 0.f);
  for (int n = 0; n < C_out; ++n) {
    for (int a = 0; a < aus; ++a) {
      const float* from = weight.data() + (std::size_t(n) * (3 + aus) + 3 + a) * taps;
      for (std::size_t t = 0; t < taps; ++t) by_tap[(t * aus + a) * padded + n] = float(from[t] * au_scale);
    }
  }
  return by_tap;
}

void unfold_rows(MathType math, const float* x, void* y, int N, int H, int W, int K, cudaStream_t stream) {
  check_odd(K);
  const Shape s{N, padded_channels(3 * K), H, W};
  if (s.count() == 0) return;
  const LaunchConfig config{.grid = dim3(ceil_div(H * W * (s.C / 4), kThreads), N), .block = kThreads, .stream = stream};
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
         {.grid = dim3(ceil_div(C_out, kChannels), N),
          .block = dim3(kChannels, kRows),
          .smem = 2 * sizeof(float) * K * K * kChannels,
          .stream = stream},
         au, weight, bias, aus, K, C_out);
}

}  // namespace emo
