#pragma once

#include <cstddef>
#include <cstdint>

#include "simt/vector_types.h"

/// What device code calls, through cuda_runtime.h and kernels/ptx.h. Every function here acts for the thread that calls it.
namespace simt {

/// The built-in variables of a thread.
struct ThreadIndex {
  uint3 thread;
  uint3 block;
  dim3 block_dim;
  dim3 grid_dim;
};
extern thread_local constinit ThreadIndex* current [[gnu::tls_model("initial-exec")]];

/// Ends the kernel with this text as simt::last_fault().
[[noreturn]] void fault(const char* format, ...) __attribute__((format(printf, 1, 2)));

// Shared memory. Pieces are named by the offset they would have on the device, so every thread gets the same piece; each
// lies between guard pages, and starts as NaNs.
void* shared_piece(std::size_t offset, std::size_t bytes, std::size_t align);
std::uint32_t shared_address(const void* shared);  ///< the offset on the device

// Barriers.
void barrier_sync(int id, int threads);    ///< threads = 0: all of the block
void barrier_arrive(int id, int threads);  ///< threads = 0: all of the block
void yield();                              ///< lets others run; for loops that poll

void grid_dependency_wait();  ///< griddepcontrol.wait: each thread of a kernel that may start early calls it

// Warp collectives. `mask` names the lanes that take part; each of them has to come.
constexpr unsigned kAllLanes = 0xffffffffu;
void sync_warp(unsigned mask);
std::uint64_t shuffle(unsigned mask, std::uint64_t value, int source_lane);
unsigned ballot(unsigned mask, bool predicate);

// Matrix fragments: layouts of the PTX manual, "Matrix fragments for mma.m16n8k16" and its neighbours.
void ldmatrix(std::uint32_t* registers, int matrices, bool transposed, const void* row);
enum class MatrixType { kF16, kBF16, kTF32 };
std::uint32_t round_tf32(float v);  ///< to nearest, ties away from zero
void mma(MatrixType type, float* d, const std::uint32_t* a, const std::uint32_t* b, const float* c);

// cp.async: the bytes land in wait(); until then the destination is NaNs.
void cp_async(void* shared, const void* global, int bytes, int bytes_read);
void cp_async_commit();
void cp_async_wait(int groups_left);

// Clusters and distributed shared memory.
int cluster_rank();
int cluster_size();
void cluster_arrive();
void cluster_wait();
void* map_shared(const void* shared, int rank);  ///< the same place in another block of the cluster

// mbarrier: kept beside the 8 bytes, which stay unreadable. Arrivals may come from any block of the cluster.
void mbarrier_init(std::uint64_t* barrier, int arrivals);
void mbarrier_expect_tx(std::uint64_t* barrier, int bytes);
void mbarrier_arrive(std::uint64_t* barrier);
bool mbarrier_test_wait(std::uint64_t* barrier, unsigned parity);
void mbarrier_wait(std::uint64_t* barrier, unsigned parity);

// What is sent to shared memory and counted by a barrier lands when somebody waits for that barrier.
void store_async(void* shared, const void* value, int bytes, std::uint64_t* barrier);
void tma_load(void* shared, const void* tensor_map, std::uint64_t* barrier, const int* coordinates, int rank,
              unsigned blocks);
void tma_store(const void* tensor_map, const void* shared, const int* coordinates, int rank);
void tma_store_commit();
void tma_store_wait(int groups_left);

/// Ordinary stores of this block before it become visible to TMA stores and wgmma; those after it do not.
void fence_proxy_async();
void fence_mbarrier_init();

// wgmma, one warp's 16 of the 64 rows: accumulators are NaNs from the call to the wait.
void wgmma_fence();
void wgmma(MatrixType type, int columns, float* d, std::uint64_t a, std::uint64_t b, bool accumulate);
void wgmma(MatrixType type, int columns, float* d, const std::uint32_t* a, std::uint64_t b, bool accumulate);
void wgmma_commit();
void wgmma_wait(int groups_left);

}  // namespace simt
