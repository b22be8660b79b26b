#pragma once

#include <cuda_runtime.h>

#include <cstdint>

/// PTX instructions that CUDA C++ has no function for, under their PTX names. Each has two forms: inline assembly for the
/// device, and a call of tests/simt for the CPU. Addresses are ordinary pointers; those called `shared` point into shared
/// memory.

#ifdef __CUDACC__
#define EMO_PTX(device, cpu) device
#else
#define EMO_PTX(device, cpu) cpu
#endif

namespace emo::ptx {

/// The 32-bit address that PTX wants for shared memory.
__device__ inline std::uint32_t shared_address(const void* shared) {
#ifdef __CUDACC__
  return std::uint32_t(__cvta_generic_to_shared(shared));
#else
  return simt::shared_address(shared);
#endif
}

// --- cp.async (sm_80): copies to shared memory that land at their wait ---

/// 16 bytes past L1; both addresses are multiples of 16. Only `bytes_read` of them are read, the others become zero.
__device__ inline void cp_async_16(void* shared, const void* global, int bytes_read = 16) {
  EMO_PTX(asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(shared)), "l"(global),
                       "r"(bytes_read)
                       : "memory"),
          simt::cp_async(shared, global, 16, bytes_read));
}

/// 4 bytes; both addresses are multiples of 4.
__device__ inline void cp_async_4(void* shared, const void* global, int bytes_read = 4) {
  EMO_PTX(
      asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(shared_address(shared)), "l"(global), "r"(bytes_read)
                   : "memory"),
      simt::cp_async(shared, global, 4, bytes_read));
}

/// Closes the group of this thread's copies since the last commit.
__device__ inline void cp_async_commit_group() {
  EMO_PTX(asm volatile("cp.async.commit_group;" ::: "memory"), simt::cp_async_commit());
}

/// Waits until at most kLeft of this thread's groups are still under way. Other threads see the bytes after a barrier.
template <int kLeft>
__device__ void cp_async_wait_group() {
  EMO_PTX(asm volatile("cp.async.wait_group %0;" ::"n"(kLeft) : "memory"), simt::cp_async_wait(kLeft));
}

// --- ldmatrix, mma (sm_80): fragments as in the PTX manual; g = lane / 4, t = lane % 4 ---

/// Four 8x8 matrices of 16-bit values: lane 8m+i points at row i of matrix m (16 bytes, aligned to 16). Register m gets
/// (row g, columns 2t and 2t+1) of matrix m.
__device__ inline void ldmatrix_x4(std::uint32_t (&r)[4], const void* shared_row) {
  EMO_PTX(asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                       : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                       : "r"(shared_address(shared_row))
                       : "memory"),
          simt::ldmatrix(r, 4, false, shared_row));
}

/// The same of the transposed matrices: (rows 2t and 2t+1, column g).
__device__ inline void ldmatrix_x4_trans(std::uint32_t (&r)[4], const void* shared_row) {
  EMO_PTX(asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                       : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                       : "r"(shared_address(shared_row))
                       : "memory"),
          simt::ldmatrix(r, 4, true, shared_row));
}

/// Two matrices, whose rows lanes 0..15 point at; the other lanes' addresses are not read.
__device__ inline void ldmatrix_x2(std::uint32_t (&r)[2], const void* shared_row) {
  EMO_PTX(asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0,%1}, [%2];"
                       : "=r"(r[0]), "=r"(r[1])
                       : "r"(shared_address(shared_row))
                       : "memory"),
          simt::ldmatrix(r, 2, false, shared_row));
}

__device__ inline void ldmatrix_x2_trans(std::uint32_t (&r)[2], const void* shared_row) {
  EMO_PTX(asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];"
                       : "=r"(r[0]), "=r"(r[1])
                       : "r"(shared_address(shared_row))
                       : "memory"),
          simt::ldmatrix(r, 2, true, shared_row));
}

/// d += a * b, 16x8, K = 16, fp16 operands, fp32 sums.
///   a  16x16 by row:   a[0] (g, 2t..2t+1)  a[1] (g+8, 2t..)  a[2] (g, 2t+8..)  a[3] (g+8, 2t+8..)
///   b  16x8:           b[0] (k = 2t..2t+1, n = g)            b[1] (k = 2t+8.., n = g)
///   d  16x8:           d[0], d[1] (g, 2t and 2t+1)           d[2], d[3] (g+8, 2t and 2t+1)
__device__ inline void mma_m16n8k16_f16(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
  EMO_PTX(
      asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                   : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                   : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1])),
      simt::mma(simt::MatrixType::kF16, d, a, b, d));
}

/// The same with bf16 operands.
__device__ inline void mma_m16n8k16_bf16(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
  EMO_PTX(asm volatile(
              "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
              : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
              : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1])),
          simt::mma(simt::MatrixType::kBF16, d, a, b, d));
}

/// d += a * b, 16x8, K = 8, tf32 operands (see cvt_rna_tf32), fp32 sums.
///   a  16x8 by row:  a[0] (g, t)  a[1] (g+8, t)  a[2] (g, t+4)  a[3] (g+8, t+4)      b  8x8:  b[0] (k = t, n = g)  b[1] (k
///   = t+4, n = g)
__device__ inline void mma_m16n8k8_tf32(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
  EMO_PTX(
      asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                   : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                   : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1])),
      simt::mma(simt::MatrixType::kTF32, d, a, b, d));
}

/// Rounds to tf32 (10 bits of mantissa), to nearest, ties away from zero. Without it the tensor core cuts the bits off.
__device__ inline std::uint32_t cvt_rna_tf32(float v) {
#ifdef __CUDACC__
  std::uint32_t word;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(word) : "f"(v));
  return word;
#else
  return simt::round_tf32(v);
#endif
}

// --- bar (all): barriers 1..15 for some of the block's warps; 0 is __syncthreads' ---

/// Waits until `threads` threads (a multiple of 32) have come to barrier `id`.
__device__ inline void bar_sync(int id, int threads) {
  EMO_PTX(asm volatile("barrier.cta.sync %0, %1;" ::"r"(id), "r"(threads) : "memory"), simt::barrier_sync(id, threads));
}

/// Counts as having come, and does not wait.
__device__ inline void bar_arrive(int id, int threads) {
  EMO_PTX(asm volatile("barrier.cta.arrive %0, %1;" ::"r"(id), "r"(threads) : "memory"), simt::barrier_arrive(id, threads));
}

// --- device memory that several blocks synchronise by ---

/// Adds; what this thread wrote before is visible to who reads the sum with ld_acquire.
__device__ inline void red_add_release(unsigned* p, unsigned v) {
  EMO_PTX(asm volatile("red.release.gpu.global.add.u32 [%0], %1;" ::"l"(p), "r"(v) : "memory"), atomicAdd(p, v));
}

/// The same, and gives the sum before: what the threads before this one in that sum's order wrote is visible here.
__device__ inline unsigned atom_add_acq_rel(unsigned* p, unsigned v) {
#ifdef __CUDACC__
  unsigned before;
  asm volatile("atom.acq_rel.gpu.global.add.u32 %0, [%1], %2;" : "=r"(before) : "l"(p), "r"(v) : "memory");
  return before;
#else
  return atomicAdd(p, v);
#endif
}

__device__ inline unsigned ld_acquire(const unsigned* p) {
#ifdef __CUDACC__
  unsigned v;
  asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(v) : "l"(p) : "memory");
  return v;
#else
  simt::yield();  // it is called in a loop
  return *p;
#endif
}

// --- griddepcontrol (sm_90): kernels that start while the one before them still runs; see LaunchConfig::early ---

#if defined(__CUDACC__) && (!defined(__CUDA_ARCH__) || __CUDA_ARCH__ < 900)
__device__ inline void griddepcontrol_wait() {}  // never launched early
__device__ inline void griddepcontrol_launch_dependents() {}
#else
/// Waits until the kernels before this one have ended, and what they wrote is visible.
__device__ inline void griddepcontrol_wait() {
  EMO_PTX(asm volatile("griddepcontrol.wait;" ::: "memory"), simt::grid_dependency_wait());
}
/// The next kernel's blocks may come as soon as all blocks of this one have said so, and there is room.
__device__ inline void griddepcontrol_launch_dependents() {
  EMO_PTX(asm volatile("griddepcontrol.launch_dependents;" ::: "memory"), void());
}
#endif

/// How a kernel that may start early begins. What needs no device memory goes before it.
__device__ inline void start_after_the_kernels_before() {
  griddepcontrol_launch_dependents();
  griddepcontrol_wait();
}

}  // namespace emo::ptx
