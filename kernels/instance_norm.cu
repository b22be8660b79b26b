#include <algorithm>
#include <type_traits>

#include "kernels/common.cuh"
#include "kernels/instance_norm.h"
#include "kernels/launch.h"
#include "kernels/operands.cuh"

namespace emo {
namespace {

// --- merge ---

constexpr int kChannels = 32;  // of a block, a lane each
constexpr int kGroups = 16;    // strips i, i + 16, i + 32 ... are one thread's; then the 16 by halves
static_assert(kGroups == kMaxMergedStrips);

/// Pixels of a strip.
__device__ float strip_count(int strip, int parity_strips, int pixels) {
  return float(min(kMomentStrip, pixels - strip % parity_strips * kMomentStrip));
}

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
  const auto count = [&](int strip) { return strip_count(strip, parity_strips, pixels); };

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

/// What merge_moments_kernel is told.
struct Unmerged {
  const Moments* moments;
  const float* gamma;
  float eps;
  int parities, pixels;
};

/// What merge_moments_kernel makes of a channel with a strip a group, its sums in the same order, by one thread.
__device__ NormCoefficients merge(const Unmerged& u, int image, int c, int C) {
  const int parity_strips = ceil_div(u.pixels, kMomentStrip), strips = u.parities * parity_strips;
  const Moments* moments = u.moments + size_t(image) * strips * C + c;
  const auto count = [&](int strip) { return strip < strips ? strip_count(strip, parity_strips, u.pixels) : 0.f; };
  const auto of = [&](int strip) { return strip < strips ? moments[size_t(strip) * C] : Moments{0.f, 0.f}; };
  float v[kGroups];
  const auto sum = [&] {
#pragma unroll
    for (int step = kGroups / 2; step > 0; step /= 2) {
#pragma unroll
      for (int i = 0; i < step; ++i) v[i] += v[i + step];
    }
    return v[0];
  };
#pragma unroll
  for (int i = 0; i < kGroups; ++i) v[i] = fmaf(count(i), of(i).mean, 0.f);
  const float total = float(u.parities) * float(u.pixels), mean = sum() / total;
#pragma unroll
  for (int i = 0; i < kGroups; ++i) {
    const Moments m = of(i);
    v[i] = fmaf(count(i) * (m.mean - mean), m.mean - mean, m.m2);
  }
  const float var = sum() / total;
  return {mean, (u.gamma ? u.gamma[c] : 1.f) / sqrtf(var + u.eps)};
}

// --- normalise ---

constexpr int kThreads = 256;
constexpr int kRounds = 8;  // pixels of a thread: its coefficients are loaded once for all

__device__ float normalised(float x, NormCoefficients k, float beta, bool relu) {
  const float v = fmaf(x - k.mean, k.scale, beta);
  return relu && v < 0.f ? 0.f : v;  // not fmaxf, which drops a NaN
}

/// Channels of a block.
__host__ __device__ constexpr int block_channels(int C) { return C < 4 * kThreads ? C : 4 * kThreads; }

// A thread keeps four channels and goes from pixel to pixel, the threads of the block side by side in memory.
// From a pointer to NormCoefficients they are read; from what is Unmerged the block makes those of its channels first.
template <typename In, typename Out, typename From>
__global__ void __launch_bounds__(kThreads, 2)  // left to itself ptxas takes 64 registers for sm_80, and spills
    instance_norm_kernel(const In* x, From from, const float* beta, bool relu, const float* residual, float* sum, Out* y,
                         int C, int pixels) {
  const int quads = C / 4, at_a_time = max(kThreads / quads, 1);
  const size_t image = size_t(blockIdx.z) * pixels * C;
  const int quad = blockIdx.y * kThreads + threadIdx.x % quads, first = threadIdx.x / quads;  // quads > 256: more blocks
  const int c = quad * 4;
  const NormCoefficients* k;
  if constexpr (std::is_same_v<From, Unmerged>) {
    SharedMemory smem;
    NormCoefficients* merged = smem.take<NormCoefficients>(block_channels(C));
    const int c_0 = blockIdx.y * 4 * kThreads;
    for (int i = threadIdx.x; i < min(C - c_0, block_channels(C)); i += kThreads) {
      merged[i] = merge(from, blockIdx.z, c_0 + i, C);
    }
    __syncthreads();  // a thread's four channels were merged by others
    k = merged + (c - c_0);
  } else {
    k = from + size_t(blockIdx.z) * C + c;
  }
  if (first >= at_a_time || quad >= quads) return;
  const NormCoefficients k0 = k[0], k1 = k[1], k2 = k[2], k3 = k[3];
  const float4 b = beta ? load_4(beta + c) : float4{0.f, 0.f, 0.f, 0.f};

  const int begin = blockIdx.x * at_a_time * kRounds, end = min(begin + at_a_time * kRounds, pixels);
  for (int pixel = begin + first; pixel < end; pixel += at_a_time) {
    const size_t at = image + size_t(pixel) * C + c;
    const float4 raw = load_4(x + at);
    float4 v = {normalised(raw.x, k0, b.x, relu), normalised(raw.y, k1, b.y, relu), normalised(raw.z, k2, b.z, relu),
                normalised(raw.w, k3, b.w, relu)};
    if (residual) {
      const float4 r = load_4(residual + at);
      v = {v.x + r.x, v.y + r.y, v.z + r.z, v.w + r.w};
    }
    if (sum) store_4(sum + at, v);
    store_4(y + at, v);
  }
}

template <MathType kMath, typename From>
void run(Shape s, const void* x, bool x_as_operand, From from, const float* beta, bool relu, const float* residual,
         float* sum, void* y, cudaStream_t stream) {
  using T = Operand<kMath>;
  const int pixels = int(s.plane()), quads = s.C / 4, at_a_time = std::max(kThreads / quads, 1);
  const dim3 grid(ceil_div(pixels, at_a_time * kRounds), ceil_div(quads, kThreads), s.N);
  const std::size_t smem = std::is_same_v<From, Unmerged> ? block_channels(s.C) * sizeof(NormCoefficients) : 0;
  const LaunchConfig config{.grid = grid, .block = kThreads, .smem = smem, .stream = stream};
  if (x_as_operand) {
    launch("instance_norm", s, instance_norm_kernel<T, T, From>, config, static_cast<const T*>(x), from, beta, relu,
           residual, sum, static_cast<T*>(y), s.C, pixels);
  } else {
    launch("instance_norm", s, instance_norm_kernel<float, T, From>, config, static_cast<const float*>(x), from, beta, relu,
           residual, sum, static_cast<T*>(y), s.C, pixels);
  }
}

template <typename From>
void run(MathType math, Shape s, const void* x, bool x_as_operand, From from, const float* beta, bool relu,
         const float* residual, float* sum, void* y, cudaStream_t stream) {
  EMO_CHECK(s.C > 0 && s.C % kChannelAlign == 0, "instance_norm: ", s.C, " channels; a multiple of ", kChannelAlign,
            " is needed");
  if (s.count() == 0) return;
  const auto go = [&](auto run_typed) { run_typed(s, x, x_as_operand, from, beta, relu, residual, sum, y, stream); };
  switch (math) {
    case MathType::kF16: return go(run<MathType::kF16, From>);
    case MathType::kBF16: return go(run<MathType::kBF16, From>);
    case MathType::kTF32:
    case MathType::kFP32: return go(run<MathType::kFP32, From>);
  }
}

void check_plane(const ConvShape& conv) {
  EMO_CHECK(conv.out().plane() > 1, "instance_norm: a plane of ", conv.out(), " has one value and no variance");
}

}  // namespace

void merge_moments(const ConvShape& conv, const Moments* moments, const float* gamma, float eps,
                   NormCoefficients* coefficients, cudaStream_t stream) {
  check_plane(conv);
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
  run(math, s, x, x_as_operand, coefficients, beta, relu, residual, sum, y, stream);
}

void merged_instance_norm(MathType math, const ConvShape& conv, const void* x, bool x_as_operand, const Moments* moments,
                          const float* gamma, float eps, const float* beta, bool relu, const float* residual, float* sum,
                          void* y, cudaStream_t stream) {
  check_plane(conv);
  EMO_CHECK(conv.strips() <= kMaxMergedStrips, "instance_norm: moments of ", conv.strips(), " strips; it merges at most ",
            kMaxMergedStrips, " itself, see merge_moments()");
  const Unmerged unmerged{moments, gamma, eps, conv.parities(), conv.pixels()};
  run(math, conv.out(), x, x_as_operand, unmerged, beta, relu, residual, sum, y, stream);
}

}  // namespace emo
