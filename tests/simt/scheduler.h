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
};

/// A collective that some lanes of a warp have reached and others have not.
struct Rendezvous {
  const char* what;
  unsigned mask, arrived;
  void* arguments[32];
};

struct Warp {
  Block* block = nullptr;
  Fiber* lanes = nullptr;
  int index = 0;
  unsigned present = 0, ready = 0, done = 0;  ///< a bit a lane
  std::vector<Rendezvous> open;
};

struct Barrier {
  int arrived = 0, expected = 0;
  std::vector<Fiber*> waiting;
};

/// A piece of shared memory, at its offset on the device.
struct Piece {
  std::size_t offset = 0, bytes = 0;
  GuardedMemory memory;
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
  Barrier cluster_barrier;
};

Fiber& self();
inline Warp& warp_of(Fiber& f) { return *f.warp; }
inline Block& block_of(Fiber& f) { return *f.warp->block; }

/// Lets others run until wake() is called for this fiber.
void wait(const char* what);
void wake(Fiber& fiber);

/// Brings the lanes of `mask` together: the last to come runs `operation(warp, arguments of each lane)`, then all go on.
using Operation = void (*)(Warp& warp, unsigned mask, void* const* arguments);
void meet(const char* what, unsigned mask, void* argument, Operation operation);

}  // namespace simt
