#pragma once

// The part of the CUDA runtime that this project uses, answered on the CPU. Device side first, host side in
// simt/host_api.h. __shared__ is not defined on purpose: kernels take shared memory through kernels/launch.h.

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "simt/device.h"
#include "simt/host_api.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __restrict__ __restrict
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(n) alignas(n)
#define __constant__ static const

#define threadIdx (::simt::current->thread)
#define blockIdx (::simt::current->block)
#define blockDim (::simt::current->block_dim)
#define gridDim (::simt::current->grid_dim)
constexpr int warpSize = 32;

// --- barriers and fences ---
inline void __syncthreads() { simt::barrier_sync(0, 0); }
inline void __syncwarp(unsigned mask = simt::kAllLanes) { simt::sync_warp(mask); }
inline void __threadfence() { std::atomic_thread_fence(std::memory_order_seq_cst); }
inline void __threadfence_block() {}
inline void __nanosleep(unsigned) { simt::yield(); }
[[noreturn]] inline void __trap() { simt::fault("trap"); }

// --- warp votes and shuffles ---
inline unsigned __ballot_sync(unsigned mask, int predicate) { return simt::ballot(mask, predicate != 0); }
inline int __any_sync(unsigned mask, int predicate) { return simt::ballot(mask, predicate != 0) != 0; }
inline int __all_sync(unsigned mask, int predicate) { return simt::ballot(mask, predicate == 0) == 0; }

namespace simt {
int lane();

/// The value of `source` of the caller's `width` lanes; its own where `source` lies outside them.
template <typename T>
T shuffle_within(unsigned mask, T value, int source, int width) {
  static_assert(sizeof(T) <= 8);
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  const int base = lane() & ~(width - 1);
  bits = shuffle(mask, bits, source < 0 || source >= width ? lane() : base + source);
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}
}  // namespace simt

template <typename T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32) {
  return simt::shuffle_within(mask, value, source & (width - 1), width);
}
template <typename T>
T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32) {
  return simt::shuffle_within(mask, value, (simt::lane() & (width - 1)) ^ bits, width);
}
template <typename T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32) {
  return simt::shuffle_within(mask, value, (simt::lane() & (width - 1)) - int(delta), width);
}
template <typename T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32) {
  return simt::shuffle_within(mask, value, (simt::lane() & (width - 1)) + int(delta), width);
}

// --- memory ---
template <typename T>
T __ldg(const T* p) {
  return *p;
}
template <typename T>
T __ldcs(const T* p) {
  return *p;
}
template <typename T>
T __ldcg(const T* p) {
  return *p;
}
template <typename T>
void __stcs(T* p, T value) {
  *p = value;
}
template <typename T>
void __stcg(T* p, T value) {
  *p = value;
}

// --- atomics: on integers only, because sums of floats in the order of arrival differ from run to run ---
template <typename T>
concept AtomicInteger = std::is_same_v<T, int> || std::is_same_v<T, unsigned> || std::is_same_v<T, unsigned long long>;
template <AtomicInteger T>
T atomicAdd(T* p, std::type_identity_t<T> v) {
  return std::atomic_ref(*p).fetch_add(v);
}
template <AtomicInteger T>
T atomicSub(T* p, std::type_identity_t<T> v) {
  return std::atomic_ref(*p).fetch_sub(v);
}
template <AtomicInteger T>
T atomicOr(T* p, std::type_identity_t<T> v) {
  return std::atomic_ref(*p).fetch_or(v);
}
template <AtomicInteger T>
T atomicAnd(T* p, std::type_identity_t<T> v) {
  return std::atomic_ref(*p).fetch_and(v);
}
template <AtomicInteger T>
T atomicExch(T* p, std::type_identity_t<T> v) {
  return std::atomic_ref(*p).exchange(v);
}
template <AtomicInteger T>
T atomicCAS(T* p, std::type_identity_t<T> expected, std::type_identity_t<T> v) {
  std::atomic_ref(*p).compare_exchange_strong(expected, v);
  return expected;
}
template <AtomicInteger T>
T atomicMax(T* p, std::type_identity_t<T> v) {
  T old = *p;
  while (old < v && !std::atomic_ref(*p).compare_exchange_weak(old, v)) {
  }
  return old;
}
template <AtomicInteger T>
T atomicMin(T* p, std::type_identity_t<T> v) {
  T old = *p;
  while (v < old && !std::atomic_ref(*p).compare_exchange_weak(old, v)) {
  }
  return old;
}

// --- arithmetic ---
using std::isfinite;
using std::max;
using std::min;
inline float __int_as_float(int v) { return std::bit_cast<float>(v); }
inline float __uint_as_float(unsigned v) { return std::bit_cast<float>(v); }
inline int __float_as_int(float v) { return std::bit_cast<int>(v); }
inline unsigned __float_as_uint(float v) { return std::bit_cast<unsigned>(v); }
inline int __float2int_rn(float v) { return int(std::nearbyint(v)); }
inline int __float2int_rd(float v) { return int(std::floor(v)); }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fdividef(float a, float b) { return a / b; }
inline float __frcp_rn(float a) { return 1 / a; }
inline float __fsqrt_rn(float a) { return std::sqrt(a); }
inline float __saturatef(float a) { return a > 0 ? std::fmin(a, 1.f) : 0.f; }  // NaN gives 0, as on the device
inline float __expf(float a) { return std::exp(a); }
inline float __logf(float a) { return std::log(a); }
inline float rsqrtf(float a) { return 1 / std::sqrt(a); }
inline int __popc(unsigned v) { return std::popcount(v); }
inline int __clz(unsigned v) { return std::countl_zero(v); }
inline int __ffs(unsigned v) { return v ? std::countr_zero(v) + 1 : 0; }
