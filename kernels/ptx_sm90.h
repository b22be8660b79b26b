#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/ptx.h"

/// PTX of compute capability 9.0 and above: clusters, mbarrier, TMA; and wgmma, which is sm_90a's alone. As in
/// kernels/ptx.h.

/// Where wgmma may be written: a kernel's body stands in #ifdef EMO_SM90A, so that it is empty for other architectures.
#if defined(EMO_SIMT) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define EMO_SM90A 1
#endif

namespace emo::ptx {

// --- clusters and distributed shared memory ---

__device__ inline int cluster_ctarank() {
#ifdef __CUDACC__
  int rank;
  asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  return rank;
#else
  return simt::cluster_rank();
#endif
}

/// Counts this thread as arrived; what it wrote before is visible to who has waited. Every thread of the cluster arrives,
/// then waits. No block may end while another still reads its memory.
__device__ inline void barrier_cluster_arrive() {
  EMO_PTX(asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory"), simt::cluster_arrive());
}
/// Arrives, and what it wrote is visible to nobody by that: to keep blocks from ending, or to meet after a fence.
__device__ inline void barrier_cluster_arrive_relaxed() {
  EMO_PTX(asm volatile("barrier.cluster.arrive.relaxed.aligned;" ::: "memory"), simt::cluster_arrive());
}
__device__ inline void barrier_cluster_wait() {
  EMO_PTX(asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory"), simt::cluster_wait());
}

/// The same place in the shared memory of block `rank` of the cluster; read and written like any other memory.
template <typename T>
__device__ T* mapa(T* shared, int rank) {
#ifdef __CUDACC__
  T* mapped;
  asm("mapa.u64 %0, %1, %2;" : "=l"(mapped) : "l"(shared), "r"(rank));
  return mapped;
#else
  return static_cast<T*>(simt::map_shared(shared, rank));
#endif
}

/// The 32-bit address of that place.
__device__ inline std::uint32_t cluster_address(const void* shared, int rank) {
#ifdef __CUDACC__
  std::uint32_t mapped;
  asm("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(mapped) : "r"(shared_address(shared)), "r"(rank));
  return mapped;
#else
  return simt::shared_address(shared) + std::uint32_t(rank << 24);
#endif
}

// --- mbarrier: 8 bytes of shared memory, aligned to 8 ---

/// For `arrivals` arrivals a phase. One thread calls it, then fence_mbarrier_init, then all meet at a barrier.
__device__ inline void mbarrier_init(std::uint64_t* barrier, int arrivals) {
  EMO_PTX(asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)), "r"(arrivals)
                       : "memory"),
          simt::mbarrier_init(barrier, arrivals));
}

/// Makes the init visible to the cluster and to TMA.
__device__ inline void fence_mbarrier_init() {
  EMO_PTX(asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"), simt::fence_mbarrier_init());
}

__device__ inline void mbarrier_arrive(std::uint64_t* barrier) {
  EMO_PTX(asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(barrier))
                       : "memory"),
          simt::mbarrier_arrive(barrier));
}

/// Among which threads ordinary stores before an arrival are visible after a wait. TMA's and wgmma's accesses are what the
/// barrier counts, so for them the block is enough; the cluster costs a memory barrier and the first level cache.
enum class Scope { kCta, kCluster };

/// Arrives at the barrier that lies at the same place in block `rank` of the cluster.
template <Scope kScope = Scope::kCluster>
__device__ void mbarrier_arrive_cluster(std::uint64_t* barrier, int rank) {
#ifdef __CUDACC__
  if constexpr (kScope == Scope::kCluster) {
    asm volatile("mbarrier.arrive.release.cluster.shared::cluster.b64 _, [%0];" ::"r"(cluster_address(barrier, rank))
                 : "memory");
  } else {
    asm volatile("mbarrier.arrive.release.cta.shared::cluster.b64 _, [%0];" ::"r"(cluster_address(barrier, rank))
                 : "memory");
  }
#else
  simt::mbarrier_arrive(mapa(barrier, rank));
#endif
}

/// The phase ends only after `bytes` more have landed; then arrives.
__device__ inline void mbarrier_arrive_expect_tx(std::uint64_t* barrier, int bytes) {
  EMO_PTX(asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(barrier)), "r"(bytes)
                       : "memory"),
          (simt::mbarrier_expect_tx(barrier, bytes), simt::mbarrier_arrive(barrier)));
}

/// Waits for the end of the phase of this parity; the first phase has parity 0, and "the phase before it" 1.
template <Scope kScope = Scope::kCluster>
__device__ void mbarrier_wait_parity(std::uint64_t* barrier, std::uint32_t parity) {
#ifdef __CUDACC__
#define EMO_WAIT(scope)                         \
  asm volatile(                                 \
      "{\n"                                     \
      ".reg .pred done;\n"                      \
      "again:\n"                                \
      "mbarrier.try_wait.parity.acquire." scope \
      ".shared::cta.b64 done, [%0], %1;\n"      \
      "@done bra ended;\n"                      \
      "bra again;\n"                            \
      "ended:\n"                                \
      "}" ::"r"(shared_address(barrier)),       \
      "r"(parity)                               \
      : "memory")
  if constexpr (kScope == Scope::kCluster) EMO_WAIT("cluster");
  if constexpr (kScope == Scope::kCta) EMO_WAIT("cta");
#undef EMO_WAIT
#else
  simt::mbarrier_wait(barrier, parity);
#endif
}

/// Stores one float at the same place in block `rank` of the cluster; it lands as 4 bytes of the barrier at the same place
/// there.
__device__ inline void st_async(float* shared, float value, std::uint64_t* barrier, int rank) {
  EMO_PTX(asm volatile("st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.f32 [%0], %1, [%2];" ::"r"(
                           cluster_address(shared, rank)),
                       "f"(value), "r"(cluster_address(barrier, rank))
                       : "memory"),
          simt::store_async(mapa(shared, rank), &value, 4, mapa(barrier, rank)));
}

/// The same of four floats, aligned to 16 bytes.
__device__ inline void st_async(float* shared, float4 value, std::uint64_t* barrier, int rank) {
  EMO_PTX(asm volatile("st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.v4.f32 [%0], {%1,%2,%3,%4}, [%5];" ::"r"(
                           cluster_address(shared, rank)),
                       "f"(value.x), "f"(value.y), "f"(value.z), "f"(value.w), "r"(cluster_address(barrier, rank))
                       : "memory"),
          simt::store_async(mapa(shared, rank), &value, 16, mapa(barrier, rank)));
}

// --- TMA: boxes of a tensor (kernels/tensor_map.h), by one thread ---

/// Makes this thread's ordinary stores to shared memory visible to TMA stores and wgmma; a barrier follows.
__device__ inline void fence_proxy_async() {
  EMO_PTX(asm volatile("fence.proxy.async.shared::cta;" ::: "memory"), simt::fence_proxy_async());
}

__device__ inline void prefetch_tensormap(const void* tensor_map) {
  EMO_PTX(asm volatile("prefetch.tensormap [%0];" ::"l"(tensor_map) : "memory"), (void)tensor_map);
}

/// The box at (c0, c1, ...), innermost first, to `shared` (aligned to 128; to 256, 512 or 1024 with a swizzle of 32, 64 or
/// 128 bytes); outside the tensor zeros. Lands as the box's bytes of the barrier.
__device__ inline void tma_load(void* shared, const void* tensor_map, std::uint64_t* barrier, int c0, int c1) {
#ifdef __CUDACC__
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3,%4}], [%2];" ::"r"(
          shared_address(shared)),
      "l"(tensor_map), "r"(shared_address(barrier)), "r"(c0), "r"(c1)
      : "memory");
#else
  const int at[] = {c0, c1};
  simt::tma_load(shared, tensor_map, barrier, at, 2, 0);
#endif
}

__device__ inline void tma_load(void* shared, const void* tensor_map, std::uint64_t* barrier, int c0, int c1, int c2) {
#ifdef __CUDACC__
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3,%4,%5}], [%2];" ::"r"(
          shared_address(shared)),
      "l"(tensor_map), "r"(shared_address(barrier)), "r"(c0), "r"(c1), "r"(c2)
      : "memory");
#else
  const int at[] = {c0, c1, c2};
  simt::tma_load(shared, tensor_map, barrier, at, 3, 0);
#endif
}

__device__ inline void tma_load(void* shared, const void* tensor_map, std::uint64_t* barrier, int c0, int c1, int c2,
                                int c3) {
#ifdef __CUDACC__
  asm volatile(
      "cp.async.bulk.tensor.4d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3,%4,%5,%6}], [%2];" ::"r"(
          shared_address(shared)),
      "l"(tensor_map), "r"(shared_address(barrier)), "r"(c0), "r"(c1), "r"(c2), "r"(c3)
      : "memory");
#else
  const int at[] = {c0, c1, c2, c3};
  simt::tma_load(shared, tensor_map, barrier, at, 4, 0);
#endif
}

__device__ inline void tma_load(void* shared, const void* tensor_map, std::uint64_t* barrier, int c0, int c1, int c2, int c3,
                                int c4) {
#ifdef __CUDACC__
  asm volatile(
      "cp.async.bulk.tensor.5d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3,%4,%5,%6,%7}], [%2];" ::
          "r"(shared_address(shared)),
      "l"(tensor_map), "r"(shared_address(barrier)), "r"(c0), "r"(c1), "r"(c2), "r"(c3), "r"(c4)
      : "memory");
#else
  const int at[] = {c0, c1, c2, c3, c4};
  simt::tma_load(shared, tensor_map, barrier, at, 5, 0);
#endif
}

/// The same to the same place of every block of the cluster whose bit is set, counted by the barrier at the same place
/// there.
__device__ inline void tma_load_multicast(void* shared, const void* tensor_map, std::uint64_t* barrier, std::uint16_t blocks,
                                          int c0, int c1) {
#ifdef __CUDACC__
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster [%0], [%1, {%4,%5}], "
      "[%2], "
      "%3;" ::"r"(shared_address(shared)),
      "l"(tensor_map), "r"(shared_address(barrier)), "h"(blocks), "r"(c0), "r"(c1)
      : "memory");
#else
  const int at[] = {c0, c1};
  simt::tma_load(shared, tensor_map, barrier, at, 2, blocks);
#endif
}

__device__ inline void tma_load_multicast(void* shared, const void* tensor_map, std::uint64_t* barrier, std::uint16_t blocks,
                                          int c0, int c1, int c2, int c3) {
#ifdef __CUDACC__
  asm volatile(
      "cp.async.bulk.tensor.4d.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster [%0], [%1, "
      "{%4,%5,%6,%7}], [%2], "
      "%3;" ::"r"(shared_address(shared)),
      "l"(tensor_map), "r"(shared_address(barrier)), "h"(blocks), "r"(c0), "r"(c1), "r"(c2), "r"(c3)
      : "memory");
#else
  const int at[] = {c0, c1, c2, c3};
  simt::tma_load(shared, tensor_map, barrier, at, 4, blocks);
#endif
}

__device__ inline void tma_load_multicast(void* shared, const void* tensor_map, std::uint64_t* barrier, std::uint16_t blocks,
                                          int c0, int c1, int c2, int c3, int c4) {
#ifdef __CUDACC__
  asm volatile(
      "cp.async.bulk.tensor.5d.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster [%0], [%1, "
      "{%4,%5,%6,%7,%8}], [%2], "
      "%3;" ::"r"(shared_address(shared)),
      "l"(tensor_map), "r"(shared_address(barrier)), "h"(blocks), "r"(c0), "r"(c1), "r"(c2), "r"(c3), "r"(c4)
      : "memory");
#else
  const int at[] = {c0, c1, c2, c3, c4};
  simt::tma_load(shared, tensor_map, barrier, at, 5, blocks);
#endif
}

/// The box from `shared` (laid out as above) to the tensor; what lies outside it is dropped. In the thread's open bulk
/// group.
__device__ inline void tma_store(const void* tensor_map, const void* shared, int c0, int c1) {
#ifdef __CUDACC__
  asm volatile("cp.async.bulk.tensor.2d.global.shared::cta.bulk_group [%0, {%2,%3}], [%1];" ::"l"(tensor_map),
               "r"(shared_address(shared)), "r"(c0), "r"(c1)
               : "memory");
#else
  const int at[] = {c0, c1};
  simt::tma_store(tensor_map, shared, at, 2);
#endif
}

__device__ inline void tma_store(const void* tensor_map, const void* shared, int c0, int c1, int c2, int c3) {
#ifdef __CUDACC__
  asm volatile("cp.async.bulk.tensor.4d.global.shared::cta.bulk_group [%0, {%2,%3,%4,%5}], [%1];" ::"l"(tensor_map),
               "r"(shared_address(shared)), "r"(c0), "r"(c1), "r"(c2), "r"(c3)
               : "memory");
#else
  const int at[] = {c0, c1, c2, c3};
  simt::tma_store(tensor_map, shared, at, 4);
#endif
}

__device__ inline void bulk_commit_group() {
  EMO_PTX(asm volatile("cp.async.bulk.commit_group;" ::: "memory"), simt::tma_store_commit());
}

/// Waits until at most kLeft of this thread's bulk groups are still under way.
template <int kLeft>
__device__ void bulk_wait_group() {
  EMO_PTX(asm volatile("cp.async.bulk.wait_group %0;" ::"n"(kLeft) : "memory"), simt::tma_store_wait(kLeft));
}

}  // namespace emo::ptx
