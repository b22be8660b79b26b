#include <algorithm>

#include "kernels/common.cuh"
#include "kernels/instance_norm.h"
#include "kernels/launch.h"
#include "kernels/operands.cuh"

namespace emo {
namespace {

// --- merge ---

constexpr int kChannels = 32;  // of a block, a lane each
constexpr int kGroups = 16;    // strips i, i + 16, i + 32 ... are one thread's; then the 16 by halves

__device__ float sum_of_groups(float v, float* scratch) {
  const int c = threadIdx.x, group = threadIdx.y;
  __syncthreads();  // an earlier sum may still be read
  scratch[group * kChannels + c] = v;
  for (int step = kGroups / 2; step > 0; step /= 2) {
    __syncthreads();  // both terms are there
    if (group < step) scratch[group * kChannels + c] += scratch[(group + step) * kChannels + c];
  }
  __syncthreads();  // the sum is there
  return scratch[c];
}

__global__ void merge_moments_kernel(const Moments* moments, const float* gamma, float eps, NormCoefficients* coefficients,
                                     int C, int parities, int pixels) {
  SharedMemory smem;
  float* scratch = smem.take<float>(kGroups * kChannels);
  const int c = blockIdx.x * kChannels + threadIdx.x;
  const int parity_strips = ceil_div(pixels, kMomentStrip), strips = parities * parity_strips;
  moments += size_t(blockIdx.y) * strips * C + c;
  const auto count = [&](int strip) { return float(min(kMomentStrip, pixels - strip % parity_strips * kMomentStrip)); };

  const float total = float(parities) * float(pixels);
  float sum = 0.f;
  if (c < C) {
    for (int i = threadIdx.y; i < strips; i += kGroups) sum = fmaf(count(i), moments[size_t(i) * C].mean, sum);
  }
  const float mean = sum_of_groups(sum, scratch) / total;
  float m2 = 0.f;
  if (c < C) {
    for (int i = threadIdx.y; i < strips; i += kGroups) {
      const Moments m = moments[size_t(i) * C];
      m2 += fmaf(count(i) * (m.mean - mean), m.mean - mean, m.m2);
    }
  }
  const float var = sum_of_groups(m2, scratch) / total;
  if (c < C && threadIdx.y == 0) {
    coefficients[size_t(blockIdx.y) * C + c] = {mean, (gamma ? gamma[c] : 1.f) / sqrtf(var + eps)};
  }
}

// --- normalise ---

constexpr int kThreads = 256;
constexpr int kRounds = 8;  // pixels of a thread: its coefficients are loaded once for all

__device__ float normalised(float x, NormCoefficients k, float beta, bool relu) {
  const float v = fmaf(x - k.mean, k.scale, beta);
  return relu && v < 0.f ? 0.f : v;  // not fmaxf, which drops a NaN
}

// A thread keeps four channels and goes from pixel to pixel, the threads of the block side by side in memory.
template <typename In, typename Out>
__global__ void __launch_bounds__(kThreads)
    instance_norm_kernel(const In* x, const NormCoefficients* coefficients, const float* beta, bool relu,
                         const float* residual, float* sum, Out* y, int C, int pixels) {
  const int quads = C / 4, at_a_time = max(kThreads / quads, 1);
  const size_t image = size_t(blockIdx.z) * pixels * C;
  const int quad = blockIdx.y * kThreads + threadIdx.x % quads, first = threadIdx.x / quads;  // quads > 256: more blocks
  if (first >= at_a_time || quad >= quads) return;
  const int c = quad * 4;
  const NormCoefficients* k = coefficients + size_t(blockIdx.z) * C + c;
  const NormCoefficients k0 = k[0], k1 = k[1], k2 = k[2], k3 = k[3];
  const float4 b = beta ? load_4(beta + c) : float4{0.f, 0.f, 0.f, 0.f};

  const int begin = blockIdx.x * at_a_time * kRounds, end = min(begin + at_a_time * kRounds, pixels);
  for (int pixel = begin + first; pixel < end; pixel += at_a_time) {
    const size_t at = image + size_t(pixel) * C + c;
    const float4 from = load_4(x + at);
    float4 v = {normalised(from.x, k0, b.x, relu), normalised(from.y, k1, b.y, relu), normalised(from.z, k2, b.z, relu),
                normalised(from.w, k3, b.w, relu)};
    if (residual) {
      const float4 r = load_4(residual + at);
      v = {v.x + r.x, v.y + r.y, v.z + r.z, v.w + r.w};
    }
    if (sum) store_4(sum + at, v);
    store_4(y + at, v);
  }
}

template <MathType kMath>
void run(Shape s, const void* x, bool x_as_operand, const NormCoefficients* coefficients, const float* beta, bool relu,
         const float* residual, float* sum, void* y, cudaStream_t stream) {
  using T = Operand<kMath>;
  const int pixels = int(s.plane()), quads = s.C / 4, at_a_time = std::max(kThreads / quads, 1);
  const dim3 grid(ceil_div(pixels, at_a_time * kRounds), ceil_div(quads, kThreads), s.N);
  const LaunchConfig config{.grid = grid, .block = kThreads, .stream = stream};
  if (x_as_operand) {
    launch("instance_norm", s, instance_norm_kernel<T, T>, config, static_cast<const T*>(x), coefficients, beta, relu,
           residual, sum, static_cast<T*>(y), s.C, pixels);
  } else {
    launch("instance_norm", s, instance_norm_kernel<float, T>, config, static_cast<const float*>(x), coefficients, beta,
           relu, residual, sum, static_cast<T*>(y), s.C, pixels);
  }
}

}  // namespace

void merge_moments(const ConvShape& conv, const Moments* moments, const float* gamma, float eps,
                   NormCoefficients* coefficients, cudaStream_t stream) {
  EMO_CHECK(conv.out().plane() > 1, "instance_norm: a plane of ", conv.out(), " has one value and no variance");
  if (conv.N == 0) return;
  launch("merge_moments", conv.out(), merge_moments_kernel,
         {.grid = dim3(ceil_div(conv.C_out, kChannels), conv.N),
          .block = dim3(kChannels, kGroups),
          .smem = kChannels * kGroups * sizeof(float),
          .stream = stream},
         moments, gamma, eps, coefficients, conv.C_out, conv.parities(), conv.pixels());
}

void instance_norm(MathType math, Shape s, const void* x, bool x_as_operand, const NormCoefficients* coefficients,
                   const float* beta, bool relu, const float* residual, float* sum, void* y, cudaStream_t stream) {
  EMO_CHECK(s.C > 0 && s.C % kChannelAlign == 0, "instance_norm: ", s.C, " channels; a multiple of ", kChannelAlign,
            " is needed");
  if (s.count() == 0) return;
  const auto go = [&](auto run_typed) { run_typed(s, x, x_as_operand, coefficients, beta, relu, residual, sum, y, stream); };
  switch (math) {
    case MathType::kF16: return go(run<MathType::kF16>);
    case MathType::kBF16: return go(run<MathType::kBF16>);
    case MathType::kTF32:
    case MathType::kFP32: return go(run<MathType::kFP32>);
  }
}

}  // namespace emo
