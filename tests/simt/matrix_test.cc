// ldmatrix and mma against plain loops over the layouts of the PTX manual.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "kernels/common.cuh"
#include "kernels/ptx.h"
#include "planted.h"

namespace emo {
namespace {

// Small integers: exact in every type, and so are their sums.
float value(int i, int j) { return float((i * 7 + j * 3) % 11 - 5); }

__global__ void load_kernel(const std::uint16_t* in, std::uint32_t* out) {
  SharedMemory smem;
  auto* tile = smem.take<std::uint16_t>(32 * 8);
  for (int i = 0; i < 8; ++i) tile[threadIdx.x * 8 + i] = in[threadIdx.x * 8 + i];
  __syncwarp();
  std::uint32_t r[4], t[4], r2[2], t2[2];
  ptx::ldmatrix_x4(r, tile + threadIdx.x * 8);
  ptx::ldmatrix_x4_trans(t, tile + threadIdx.x * 8);
  ptx::ldmatrix_x2(r2, tile + threadIdx.x % 16 * 8);
  ptx::ldmatrix_x2_trans(t2, tile + threadIdx.x % 16 * 8);
  for (int m = 0; m < 4; ++m) {
    out[m * 32 + threadIdx.x] = r[m];
    out[(4 + m) * 32 + threadIdx.x] = t[m];
  }
  for (int m = 0; m < 2; ++m) {
    out[(8 + m) * 32 + threadIdx.x] = r2[m];
    out[(10 + m) * 32 + threadIdx.x] = t2[m];
  }
}

TEST(Ldmatrix, LaneGetsItsPairOfEachMatrix) {
  std::vector<std::uint16_t> in(32 * 8);
  for (std::size_t i = 0; i < in.size(); ++i) in[i] = std::uint16_t(i);
  const Buffer<std::uint16_t> from(in);
  for_each_seed([&] {
    const Buffer<std::uint32_t> to(12 * 32);
    launch("ldmatrix", "(32,8)", load_kernel, {.grid = 1, .block = 32, .smem = 512}, from.get(), to.get());
    const auto got = to.host();
    for (int lane = 0; lane < 32; ++lane) {
      const int g = lane / 4, t = lane % 4;
      for (int m = 0; m < 4; ++m) {
        const auto pair = [&](int i, int j, int i2, int j2) {
          return std::uint32_t(m * 64 + i * 8 + j) | std::uint32_t(m * 64 + i2 * 8 + j2) << 16;
        };
        const std::uint32_t straight = pair(g, 2 * t, g, 2 * t + 1), transposed = pair(2 * t, g, 2 * t + 1, g);
        EXPECT_EQ(got[m * 32 + lane], straight);
        EXPECT_EQ(got[(4 + m) * 32 + lane], transposed);
        if (m >= 2) continue;
        EXPECT_EQ(got[(8 + m) * 32 + lane], straight);
        EXPECT_EQ(got[(10 + m) * 32 + lane], transposed);
      }
    }
  });
}

enum class Type { kF16, kBF16, kTF32 };

// Fragments straight from value(), by the manual's formulas.
template <Type type>
__global__ void mma_kernel(float* out) {
  const int g = threadIdx.x / 4, t = threadIdx.x % 4;
  std::uint32_t a[4], b[2];
  const auto a_at = [](int m, int k) { return value(m, k); };
  const auto b_at = [](int k, int n) { return value(k + 20, n); };
  const auto pack = [](float low, float high) {
    const auto bits = [](float v) { return std::uint32_t(type == Type::kF16 ? float_to_half(v) : float_to_bf16(v)); };
    return bits(low) | bits(high) << 16;
  };
  float d[4] = {1, 2, 3, 4};
  if constexpr (type == Type::kTF32) {
    for (int i = 0; i < 4; ++i) a[i] = ptx::cvt_rna_tf32(a_at(g + i % 2 * 8, t + i / 2 * 4));
    for (int i = 0; i < 2; ++i) b[i] = ptx::cvt_rna_tf32(b_at(t + i * 4, g));
    ptx::mma_m16n8k8_tf32(d, a, b);
  } else {
    for (int i = 0; i < 4; ++i) {
      const int m = g + i % 2 * 8, k = 2 * t + i / 2 * 8;
      a[i] = pack(a_at(m, k), a_at(m, k + 1));
    }
    for (int i = 0; i < 2; ++i) b[i] = pack(b_at(2 * t + i * 8, g), b_at(2 * t + i * 8 + 1, g));
    if constexpr (type == Type::kF16) {
      ptx::mma_m16n8k16_f16(d, a, b);
    } else {
      ptx::mma_m16n8k16_bf16(d, a, b);
    }
  }
  for (int i = 0; i < 4; ++i) out[(g + i / 2 * 8) * 8 + 2 * t + i % 2] = d[i];
}

template <Type type>
void expect_product(int K) {
  for_each_seed([&] {
    const Buffer<float> out(16 * 8);
    launch("mma", "(16,8)", mma_kernel<type>, {.grid = 1, .block = 32}, out.get());
    const auto got = out.host();
    for (int m = 0; m < 16; ++m) {
      for (int n = 0; n < 8; ++n) {
        float want = float(1 + n % 2 + m / 8 * 2);
        for (int k = 0; k < K; ++k) want += value(m, k) * value(k + 20, n);
        EXPECT_EQ(got[std::size_t(m * 8 + n)], want) << m << ' ' << n;
      }
    }
  });
}

TEST(Mma, F16) { expect_product<Type::kF16>(16); }
TEST(Mma, BF16) { expect_product<Type::kBF16>(16); }
TEST(Mma, TF32) { expect_product<Type::kTF32>(8); }

__global__ void identity_times(const std::uint32_t* b_words, float* out) {
  const std::uint32_t g = threadIdx.x / 4, t = threadIdx.x % 4;
  const std::uint32_t one = 0x3c00;
  // The upper 8 rows of a are the identity's first 8: d(g, n) = b(g, n).
  std::uint32_t a[4] = {g / 2 == t ? (g % 2 ? one << 16 : one) : 0, 0, 0, 0};
  const std::uint32_t b[2] = {b_words[threadIdx.x], 0};
  float d[4] = {};
  ptx::mma_m16n8k16_f16(d, a, b);
  out[g * 8 + 2 * t] = d[0];
  out[g * 8 + 2 * t + 1] = d[1];
}

TEST(Mma, WidensEveryFiniteHalf) {
  for (std::uint32_t first = 0; first < 0x10000; first += 64) {
    if ((first & 0x7c00) == 0x7c00) continue;  // infinity times zero is NaN in every row
    std::vector<std::uint32_t> words(32);
    for (std::uint32_t lane = 0; lane < 32; ++lane) words[lane] = (first + lane * 2) | (first + lane * 2 + 1) << 16;
    const Buffer<std::uint32_t> b(words);
    const Buffer<float> out(64);
    launch("identity", "(8,8)", identity_times, {.grid = 1, .block = 32}, b.get(), out.get());
    const auto got = out.host();
    for (std::uint32_t lane = 0; lane < 32; ++lane) {
      for (std::uint32_t i = 0; i < 2; ++i) {
        ASSERT_EQ(got[(lane % 4 * 2 + i) * 8 + lane / 4], half_to_float(std::uint16_t(first + lane * 2 + i)));
      }
    }
  }
}

TEST(Tf32, RoundsToNearestAwayFromZeroAndTheTensorCoreCuts) {
  EXPECT_EQ(std::bit_cast<float>(simt::round_tf32(1 + 0x1p-11f)), 1 + 0x1p-10f);
  EXPECT_EQ(std::bit_cast<float>(simt::round_tf32(-1 - 0x1p-11f)), -1 - 0x1p-10f);
  EXPECT_EQ(std::bit_cast<float>(simt::round_tf32(1 + 0x1p-12f)), 1.f);
}

}  // namespace
}  // namespace emo
