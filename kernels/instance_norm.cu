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
constexpr int kHeld = 16;      // a thread's strips that are read once, all at one time
static_assert(kGroups == kMaxMergedStrips);

/// Pixels of strip after strip, each `step` further. No division a strip: its place in its parity is counted along.
class StripCount {
 public:
  __device__ StripCount(int first, int step, int parity_strips, int pixels)
      : at_(first % parity_strips),
        step_(step % parity_strips),
        parity_strips_(parity_strips),
        last_(float(pixels - (parity_strips - 1) * kMomentStrip)) {}
  __device__ float next() {
    const float count = at_ == parity_strips_ - 1 ? last_ : float(kMomentStrip);
    at_ += step_;
    if (at_ >= parity_strips_) at_ -= parity_strips_;
    return count;
  }

 private:
  int at_, step_, parity_strips_;
  float last_;
};

__device__ float deviation(float count, Moments m, float mean) { return fmaf(count * (m.mean - mean), m.mean - mean, m.m2); }

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
  const int parity_strips = ceil_div(pixels, kMomentStrip), strips = c < C ? parities * parity_strips : 0;
  moments += size_t(blockIdx.y) * (parities * parity_strips) * C + c;

  ptx::start_after_the_kernels_before();
  Moments held[kHeld];
#pragma unroll
  for (int j = 0; j < kHeld; ++j) {
    const int i = threadIdx.y + j * kGroups;
    held[j] = i < strips ? moments[size_t(i) * C] : Moments{0.f, 0.f};
  }
  const auto sum_over_strips = [&](auto term) {
    StripCount count(threadIdx.y, kGroups, parity_strips, pixels);
    float sum = 0.f;
#pragma unroll
    for (int j = 0; j < kHeld; ++j) {
      if (int(threadIdx.y) + j * kGroups < strips) sum = term(sum, count.next(), held[j]);
    }
    for (int i = threadIdx.y + kHeld * kGroups; i < strips; i += kGroups)
      sum = term(sum, count.next(), moments[size_t(i) * C]);
    return sum_of_groups(sum, scratch);
  };
  const float total = float(parities) * float(pixels);
  const float mean = sum_over_strips([](float sum, float count, Moments m) { return fmaf(count, m.mean, sum); }) / total;
  const float var =
      sum_over_strips([&](float sum, float count, Moments m) { return sum + deviation(count, m, mean); }) / total;
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
  Moments m[kGroups];
#pragma unroll
  for (int i = 0; i < kGroups; ++i) m[i] = i < strips ? moments[size_t(i) * C] : Moments{0.f, 0.f};
  const auto sum_over_strips = [&](auto term) {
    StripCount count(0, 1, parity_strips, u.pixels);
    float v[kGroups];
#pragma unroll
    for (int i = 0; i < kGroups; ++i) v[i] = i < strips ? term(count.next(), m[i]) : 0.f;
#pragma unroll
    for (int step = kGroups / 2; step > 0; step /= 2) {
#pragma unroll
      for (int i = 0; i < step; ++i) v[i] += v[i + step];
    }
    return v[0];
  };
  const float total = float(u.parities) * float(u.pixels);
  const float mean = sum_over_strips([](float count, Moments m) { return fmaf(count, m.mean, 0.f); }) / total;
  const float var = sum_over_strips([&](float count, Moments m) { return deviation(count, m, mean); }) / total;
  return {mean, (u.gamma ? u.gamma[c] : 1.f) / sqrtf(var + u.eps)};
}

// --- normalise ---

constexpr int kThreads = 256;
constexpr int kMaxRounds = 8;    // pixels of a thread: its coefficients are loaded once for all
constexpr int kAtOnce = 4;       // of which so many are loaded before the first is stored: y may be x, so ptxas would wait
constexpr int kFewBlocks = 264;  // two for each multiprocessor of an H200

__device__ float normalised(float x, NormCoefficients k, float beta, bool relu) {
  const float v = fmaf(x - k.mean, k.scale, beta);
  return relu && v < 0.f ? 0.f : v;  // not fmaxf, which drops a NaN
}

/// Channels of a block.
__host__ __device__ constexpr int block_channels(int C) { return C < 4 * kThreads ? C : 4 * kThreads; }

// A thread keeps four channels and goes from pixel to pixel, the threads of the block side by side in memory.
// From a pointer to NormCoefficients they are read; from what is Unmerged the block makes those of its channels first.
template <typename In, typename Out, typename From>
__global__ void __launch_bounds__(kThreads, 3)
    instance_norm_kernel(const In* x, From from, const float* beta, bool relu, const Out* residual, Out* y, int C,
                         int pixels, int rounds) {
  const int quads = C / 4, at_a_time = max(kThreads / quads, 1);
  const size_t image = size_t(blockIdx.z) * pixels * C;
  const int quad = blockIdx.y * kThreads + threadIdx.x % quads, first = threadIdx.x / quads;  // quads > 256: more blocks
  const int c = quad * 4;
  ptx::start_after_the_kernels_before();
  const NormCoefficients* k;
  if constexpr (std::is_same_v<From, Unmerged>) {
    SharedMemory smem;
    NormCoefficients* merged = smem.take<NormCoefficients>(block_channels(C));
    const int c_0 = blockIdx.y * 4 * kThreads;
#pragma unroll 1  // one round up to 256 channels
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

  const int begin = blockIdx.x * at_a_time * rounds, end = min(begin + at_a_time * rounds, pixels);
#pragma unroll 1
  for (int pixel = begin + first; pixel < end; pixel += kAtOnce * at_a_time) {
    const size_t at = image + size_t(pixel) * C + c, step = size_t(at_a_time) * C;
    float4 v[kAtOnce], r[kAtOnce] = {};
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) {
      const bool inside = pixel + i * at_a_time < end;
      if (inside) v[i] = load_4(x + at + i * step);
      if (inside && residual) r[i] = load_4(residual + at + i * step);
    }
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) {
      if (pixel + i * at_a_time >= end) break;
      v[i] = {normalised(v[i].x, k0, b.x, relu), normalised(v[i].y, k1, b.y, relu), normalised(v[i].z, k2, b.z, relu),
              normalised(v[i].w, k3, b.w, relu)};
      if (residual) v[i] = {v[i].x + r[i].x, v[i].y + r[i].y, v[i].z + r[i].z, v[i].w + r[i].w};
      store_4(y + at + i * step, v[i]);
    }
  }
}

/// Pixels of a thread and the blocks that makes: as many pixels as leave most multiprocessors a block.
struct NormGrid {
  int rounds = kMaxRounds;
  dim3 blocks;
  NormGrid(int N, int C, int pixels) {
    const int quads = C / 4, at_a_time = std::max(kThreads / quads, 1);
    while (true) {
      blocks = dim3(ceil_div(pixels, at_a_time * rounds), ceil_div(quads, kThreads), N);
      if (rounds == 1 || count() >= kFewBlocks / 3) return;
      rounds /= 2;
    }
  }
  int count() const { return int(blocks.x * blocks.y * blocks.z); }
};

template <MathType kMath, typename From>
void run(Shape s, const void* x, bool x_as_operand, From from, const float* beta, bool relu, const void* residual, void* y,
         cudaStream_t stream) {
  using T = Operand<kMath>;
  const int pixels = int(s.plane());
  const NormGrid grid(s.N, s.C, pixels);
  const std::size_t smem = std::is_same_v<From, Unmerged> ? block_channels(s.C) * sizeof(NormCoefficients) : 0;
  const LaunchConfig config{.grid = grid.blocks, .block = kThreads, .smem = smem, .early = true, .stream = stream};
  if (x_as_operand) {
    launch("instance_norm", s, instance_norm_kernel<T, T, From>, config, static_cast<const T*>(x), from, beta, relu,
           static_cast<const T*>(residual), static_cast<T*>(y), s.C, pixels, grid.rounds);
  } else {
    launch("instance_norm", s, instance_norm_kernel<float, T, From>, config, static_cast<const float*>(x), from, beta, relu,
           static_cast<const T*>(residual), static_cast<T*>(y), s.C, pixels, grid.rounds);
  }
}

template <typename From>
void run(MathType math, Shape s, const void* x, bool x_as_operand, From from, const float* beta, bool relu,
         const void* residual, void* y, cudaStream_t stream) {
  EMO_CHECK(s.C > 0 && s.C % kChannelAlign == 0, "instance_norm: ", s.C, " channels; a multiple of ", kChannelAlign,
            " is needed");
  if (s.count() == 0) return;
  const auto go = [&](auto run_typed) { run_typed(s, x, x_as_operand, from, beta, relu, residual, y, stream); };
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
          .early = true,
          .stream = stream},
         moments, gamma, eps, coefficients, conv.C_out, conv.parities(), conv.pixels());
}

bool merges_in_norm(const ConvShape& conv) {
  return conv.strips() <= kMaxMergedStrips && NormGrid(conv.N, conv.C_out, int(conv.out().plane())).count() <= kFewBlocks;
}

void instance_norm(MathType math, Shape s, const void* x, bool x_as_operand, const NormCoefficients* coefficients,
                   const float* beta, bool relu, const void* residual, void* y, cudaStream_t stream) {
  run(math, s, x, x_as_operand, coefficients, beta, relu, residual, y, stream);
}

void merged_instance_norm(MathType math, const ConvShape& conv, const void* x, bool x_as_operand, const Moments* moments,
                          const float* gamma, float eps, const float* beta, bool relu, const void* residual, void* y,
                          cudaStream_t stream) {
  check_plane(conv);
  EMO_CHECK(conv.strips() <= kMaxMergedStrips, "instance_norm: moments of ", conv.strips(), " strips; it merges at most ",
            kMaxMergedStrips, " itself, see merge_moments()");
  const Unmerged unmerged{moments, gamma, eps, conv.parities(), conv.pixels()};
  run(math, conv.out(), x, x_as_operand, unmerged, beta, relu, residual, y, stream);
}

}  // namespace emo
