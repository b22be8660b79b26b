#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/ptx_sm90.h"

/// wgmma (sm_90a): a warpgroup, 4 warps of which the first has a number divisible by 4, multiplies 64 x kN tiles
/// asynchronously.
///
///   wgmma_fence();                                  // after the last ordinary use of d
///   wgmma_m64k16_f16<128>(d, a, b, accumulate);     // as often as K needs
///   wgmma_commit_group();
///   wgmma_wait_group<0>();                          // only now may d be read and the operands be overwritten
///
/// d[i] of a lane: row 16 * (warp % 4) + g + 8 * (i / 2 % 2), column 8 * (i / 4) + 2 * t + i % 2;  g = lane / 4, t = lane
/// % 4.
namespace emo::ptx {

enum class Swizzle : std::uint64_t { kNone = 0, k128 = 1, k64 = 2, k32 = 3 };

/// Describes a K-major operand in shared memory (rows of A, or of B transposed): rows of 128, 64 or 32 bytes, swizzled as
/// TMA does, eight of them together, `eight_rows_bytes` from one eight to the next. Without a swizzle: 8x16-byte cores,
/// `cores_bytes` from one to the next along K. The next 32 bytes of K lie 32 bytes further: descriptor + 2.
__device__ inline std::uint64_t wgmma_descriptor(const void* shared, Swizzle swizzle, int eight_rows_bytes,
                                                 int cores_bytes = 16) {
  return std::uint64_t(shared_address(shared) & 0x3ffff) >> 4 | std::uint64_t(cores_bytes >> 4) << 16 |
         std::uint64_t(eight_rows_bytes >> 4) << 32 | std::uint64_t(swizzle) << 62;
}

__device__ inline void wgmma_fence() {
  EMO_PTX(asm volatile("wgmma.fence.sync.aligned;" ::: "memory"), simt::wgmma_fence());
}

__device__ inline void wgmma_commit_group() {
  EMO_PTX(asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"), simt::wgmma_commit());
}

/// Waits until at most kLeft of the warpgroup's groups are still under way.
template <int kLeft>
__device__ void wgmma_wait_group() {
  EMO_PTX(asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kLeft) : "memory"), simt::wgmma_wait(kLeft));
}

/// The same, after which d is used: nothing else tells the compiler that d is what the wait is for.
template <int kLeft, int kCount>
__device__ void wgmma_wait_group([[maybe_unused]] float (&d)[kCount]) {
  wgmma_wait_group<kLeft>();
#ifdef __CUDACC__
#pragma unroll
  for (float& v : d) asm volatile("" : "+f"(v)::"memory");
#endif
}

#ifdef __CUDACC__
// The registers of an instruction, sixteen at a time.
#define EMO_R0 "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15"
#define EMO_R1 ",%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31"
#define EMO_R2 ",%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47"
#define EMO_R3 ",%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,%62,%63"
#define EMO_R4 ",%64,%65,%66,%67,%68,%69,%70,%71,%72,%73,%74,%75,%76,%77,%78,%79"
#define EMO_R5 ",%80,%81,%82,%83,%84,%85,%86,%87,%88,%89,%90,%91,%92,%93,%94,%95"
#define EMO_R6 ",%96,%97,%98,%99,%100,%101,%102,%103,%104,%105,%106,%107,%108,%109,%110,%111"
#define EMO_R7 ",%112,%113,%114,%115,%116,%117,%118,%119,%120,%121,%122,%123,%124,%125,%126,%127"
#define EMO_D4(i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
#define EMO_D16(i) EMO_D4(i), EMO_D4(i + 4), EMO_D4(i + 8), EMO_D4(i + 12)
#define EMO_WGMMA(shape, tail, registers, a, b, p, ...)                                                                   \
  asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %" p ", 0;\nwgmma.mma_async.sync.aligned." shape " {" registers "}, %" a \
               ", %" b ", p, 1, 1" tail ";\n}"                                                                            \
               : __VA_ARGS__                                                                                              \
               : "l"(a_descriptor), "l"(b_descriptor), "r"(int(accumulate)))
#endif

/// d = a * b (+ d): 64 x kN, K = 16, fp16 operands, fp32 sums.
template <int kN>
__device__ void wgmma_m64k16_f16(float (&d)[kN / 2], std::uint64_t a_descriptor, std::uint64_t b_descriptor,
                                 bool accumulate) {
#ifdef __CUDACC__
  if constexpr (kN == 32) {
    EMO_WGMMA("m64n32k16.f32.f16.f16", ", 0, 0", EMO_R0, "16", "17", "18", EMO_D16(0));
  }
  if constexpr (kN == 64) {
    EMO_WGMMA("m64n64k16.f32.f16.f16", ", 0, 0", EMO_R0 EMO_R1, "32", "33", "34", EMO_D16(0), EMO_D16(16));
  }
  if constexpr (kN == 128) {
    EMO_WGMMA("m64n128k16.f32.f16.f16", ", 0, 0", EMO_R0 EMO_R1 EMO_R2 EMO_R3, "64", "65", "66", EMO_D16(0), EMO_D16(16),
              EMO_D16(32), EMO_D16(48));
  }
  if constexpr (kN == 256) {
    EMO_WGMMA("m64n256k16.f32.f16.f16", ", 0, 0", EMO_R0 EMO_R1 EMO_R2 EMO_R3 EMO_R4 EMO_R5 EMO_R6 EMO_R7, "128", "129",
              "130", EMO_D16(0), EMO_D16(16), EMO_D16(32), EMO_D16(48), EMO_D16(64), EMO_D16(80), EMO_D16(96), EMO_D16(112));
  }
  static_assert(kN == 32 || kN == 64 || kN == 128 || kN == 256);
#else
  simt::wgmma(simt::MatrixType::kF16, kN, d, a_descriptor, b_descriptor, accumulate);
#endif
}

/// The same with bf16 operands.
template <int kN>
__device__ void wgmma_m64k16_bf16(float (&d)[kN / 2], std::uint64_t a_descriptor, std::uint64_t b_descriptor,
                                  bool accumulate) {
#ifdef __CUDACC__
  if constexpr (kN == 32) {
    EMO_WGMMA("m64n32k16.f32.bf16.bf16", ", 0, 0", EMO_R0, "16", "17", "18", EMO_D16(0));
  }
  if constexpr (kN == 64) {
    EMO_WGMMA("m64n64k16.f32.bf16.bf16", ", 0, 0", EMO_R0 EMO_R1, "32", "33", "34", EMO_D16(0), EMO_D16(16));
  }
  if constexpr (kN == 128) {
    EMO_WGMMA("m64n128k16.f32.bf16.bf16", ", 0, 0", EMO_R0 EMO_R1 EMO_R2 EMO_R3, "64", "65", "66", EMO_D16(0), EMO_D16(16),
              EMO_D16(32), EMO_D16(48));
  }
  if constexpr (kN == 256) {
    EMO_WGMMA("m64n256k16.f32.bf16.bf16", ", 0, 0", EMO_R0 EMO_R1 EMO_R2 EMO_R3 EMO_R4 EMO_R5 EMO_R6 EMO_R7, "128", "129",
              "130", EMO_D16(0), EMO_D16(16), EMO_D16(32), EMO_D16(48), EMO_D16(64), EMO_D16(80), EMO_D16(96), EMO_D16(112));
  }
  static_assert(kN == 32 || kN == 64 || kN == 128 || kN == 256);
#else
  simt::wgmma(simt::MatrixType::kBF16, kN, d, a_descriptor, b_descriptor, accumulate);
#endif
}

/// The same with K = 8 and tf32 operands; the bits that tf32 has not are cut off.
template <int kN>
__device__ void wgmma_m64k8_tf32(float (&d)[kN / 2], std::uint64_t a_descriptor, std::uint64_t b_descriptor,
                                 bool accumulate) {
#ifdef __CUDACC__
  if constexpr (kN == 32) {
    EMO_WGMMA("m64n32k8.f32.tf32.tf32", "", EMO_R0, "16", "17", "18", EMO_D16(0));
  }
  if constexpr (kN == 64) {
    EMO_WGMMA("m64n64k8.f32.tf32.tf32", "", EMO_R0 EMO_R1, "32", "33", "34", EMO_D16(0), EMO_D16(16));
  }
  if constexpr (kN == 128) {
    EMO_WGMMA("m64n128k8.f32.tf32.tf32", "", EMO_R0 EMO_R1 EMO_R2 EMO_R3, "64", "65", "66", EMO_D16(0), EMO_D16(16),
              EMO_D16(32), EMO_D16(48));
  }
  if constexpr (kN == 256) {
    EMO_WGMMA("m64n256k8.f32.tf32.tf32", "", EMO_R0 EMO_R1 EMO_R2 EMO_R3 EMO_R4 EMO_R5 EMO_R6 EMO_R7, "128", "129", "130",
              EMO_D16(0), EMO_D16(16), EMO_D16(32), EMO_D16(48), EMO_D16(64), EMO_D16(80), EMO_D16(96), EMO_D16(112));
  }
  static_assert(kN == 32 || kN == 64 || kN == 128 || kN == 256);
#else
  simt::wgmma(simt::MatrixType::kTF32, kN, d, a_descriptor, b_descriptor, accumulate);
#endif
}

#ifdef __CUDACC__
#undef EMO_WGMMA
#undef EMO_D16
#undef EMO_D4
#undef EMO_R0
#undef EMO_R1
#undef EMO_R2
#undef EMO_R3
#undef EMO_R4
#undef EMO_R5
#undef EMO_R6
#undef EMO_R7
#endif

}  // namespace emo::ptx
