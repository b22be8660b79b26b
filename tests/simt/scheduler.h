#pragma once

#include <bit>
#include <boost/context/detail/fcontext.hpp>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include "guarded.h"
#include "simt/device.h"

/// The inside of the runtime: threads as fibers, and who waits for whom.
///
/// A group is what has to run at the same time: a block, a cluster, or all of a cooperative grid. One OS thread runs all its
/// fibers, one after another, each until it has to wait; so a run is the same every time under the same seed, and "nobody
/// can go on" is known at once. Nothing here needs a lock but the list of groups that are still to be run.
namespace simt {

struct Block;
struct Group;
struct Warp;

/// What a kernel is launched with.
struct Launch {
  std::string name;
  dim3 grid, block;
  std::size_t smem_bytes = 0;
  unsigned cluster = 1;
  bool cooperative = false;
  bool early = false;  ///< it may start while the kernel before it runs, and so has to wait for it
  std::function<void()> body;
};

/// Runs it to its end. Returns the text of its fault, empty when it had none.
std::string run(const Launch& launch, std::uint64_t seed, int workers);

struct CopyOp {
  void* to;
  const void* from;
  int bytes, bytes_read;
};

/// One thread of a kernel.
struct Fiber {
  ThreadIndex index;
  boost::context::detail::fcontext_t context = nullptr;
  std::size_t stack = 0;       ///< which of its worker's
  void* fake_stack = nullptr;  ///< AddressSanitizer's
  Warp* warp = nullptr;
  int lane = 0;
  const char* waits_for = "its turn";  ///< for the report of a deadlock
  std::vector<CopyOp> copies;          ///< cp.async not committed yet
  std::deque<std::vector<CopyOp>> copy_groups;
  std::vector<std::function<void()>> stores;  ///< TMA stores not committed yet
  std::deque<std::vector<std::function<void()>>> store_groups;
  bool waited = false;       ///< for the kernels before
  int cluster_arrival = -1;  ///< the phase of the cluster's barrier in which it has arrived
};

/// A collective that some lanes of a warp have reached and others have not.
struct Rendezvous {
  const char* what;
  unsigned mask, arrived;
  void* arguments[32];
};

/// The accumulators of one warp while wgmmas on them are under way: what the registers will be.
struct Accumulators {
  int columns = 0;
  float* registers[32] = {};
  std::vector<float> values;  ///< 16 x columns
};

struct WgmmaOp {
  MatrixType type;
  std::shared_ptr<Accumulators> d;
  bool a_in_registers;
  std::uint32_t a_registers[32][4];
  std::uint64_t a, b;
  bool accumulate;
};

struct WgmmaQueue {
  bool fenced = false;
  std::vector<WgmmaOp> open;
  std::deque<std::vector<WgmmaOp>> groups;
};

struct Warp {
  Block* block = nullptr;
  Fiber* lanes = nullptr;
  int index = 0;
  unsigned present = 0, ready = 0, done = 0;  ///< a bit a lane
  std::vector<Rendezvous> open;
  WgmmaQueue wgmma;
};

struct Barrier {
  int arrived = 0, expected = 0;
  std::vector<Fiber*> waiting;
};

/// A piece of shared memory, at its offset on the device.
struct Piece {
  std::size_t offset = 0, bytes = 0;
  GuardedMemory memory;
  std::vector<std::byte> async_view;  ///< what TMA and wgmma see of it; empty as long as neither does
};

/// Something on its way to shared memory that a barrier counts.
struct Landing {
  int bytes;
  std::function<void()> land;
};

struct MBarrier {
  int expected = 0, pending = 0;
  long tx_bytes = 0;
  unsigned phase = 0;
  std::vector<Landing> landings;
  std::vector<Fiber*> waiting;
};

struct Block {
  Group* group = nullptr;
  uint3 index{};
  int rank = 0;  ///< in its cluster
  std::vector<Fiber> fibers;
  std::vector<Warp> warps;
  int done = 0;
  Barrier barriers[16];
  std::vector<Piece> pieces;
};

struct Group {
  const Launch* launch = nullptr;
  std::vector<Block> blocks;
  int done = 0;
  std::unordered_map<const void*, MBarrier> mbarriers;
  bool mbarriers_fenced = true;  ///< since the last mbarrier.init
  int cluster_arrived = 0, cluster_phase = 0;
  std::vector<Fiber*> cluster_waiting;
};

Fiber& self();
inline Warp& warp_of(Fiber& f) { return *f.warp; }
inline Block& block_of(Fiber& f) { return *f.warp->block; }

/// Lets others run until wake() is called for this fiber.
void wait(const char* what);
void wake(Fiber& fiber);

/// A thread has arrived at the cluster's barrier, or ended.
void check_cluster_barrier(Group& group);

/// The piece that holds [offset, offset + bytes) of the block's shared memory; a fault when there is none.
Piece& piece_at(Block& block, std::size_t offset, std::size_t bytes);

/// Shared memory as TMA and wgmma write and read it. Reading bytes that ordinary stores have changed since the last fence is
/// a fault.
void write_async(Block& block, std::size_t offset, const void* from, std::size_t bytes);
void read_async(Block& block, std::size_t offset, void* to, std::size_t bytes, const char* what);

/// Sends `bytes` that land() will write, to be counted by the barrier at this offset of the block.
void send_to_block(Block& block, std::size_t barrier_offset, int bytes, std::function<void()> land);

/// Brings the lanes of `mask` together: the last to come runs `operation(warp, arguments of each lane)`, then all go on.
using Operation = void (*)(Warp& warp, unsigned mask, void* const* arguments);
void meet(const char* what, unsigned mask, void* argument, Operation operation);

}  // namespace simt
