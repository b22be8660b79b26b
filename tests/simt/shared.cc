// Shared memory across the blocks of a cluster, and as the asynchronous proxy (TMA, wgmma) sees it.
#include <cstring>

#include "scheduler.h"

namespace simt {
namespace {

// The piece, of any block of the group, that an address points into; null when there is none.
struct Place {
  Block* block;
  std::size_t offset;
};
Place place_of(const void* shared) {
  Group& group = *block_of(self()).group;
  for (Block& block : group.blocks) {
    for (Piece& piece : block.pieces) {
      const auto within = static_cast<const std::byte*>(shared) - piece.memory.data();
      if (within >= 0 && std::size_t(within) < piece.bytes) return {&block, piece.offset + std::size_t(within)};
    }
  }
  fault("%p is no address in shared memory", shared);
}

std::vector<std::byte>& async_view(Piece& piece) {
  if (piece.async_view.empty()) piece.async_view.assign(piece.bytes, std::byte(kPoison));
  return piece.async_view;
}

}  // namespace

Piece& piece_at(Block& block, std::size_t offset, std::size_t bytes) {
  for (Piece& piece : block.pieces) {
    if (offset >= piece.offset && offset + bytes <= piece.offset + piece.bytes) return piece;
  }
  fault("shared memory [%zu, %zu) of block %d of the cluster is in no piece that it has taken", offset, offset + bytes,
        block.rank);
}

void write_async(Block& block, std::size_t offset, const void* from, std::size_t bytes) {
  Piece& piece = piece_at(block, offset, bytes);
  std::memcpy(piece.memory.data() + (offset - piece.offset), from, bytes);
  std::memcpy(async_view(piece).data() + (offset - piece.offset), from, bytes);
}

void read_async(Block& block, std::size_t offset, void* to, std::size_t bytes, const char* what) {
  Piece& piece = piece_at(block, offset, bytes);
  const std::byte* seen = async_view(piece).data() + (offset - piece.offset);
  if (std::memcmp(seen, piece.memory.data() + (offset - piece.offset), bytes) != 0) {
    fault("%s reads shared memory at offset %zu, which was written without a fence.proxy.async after it", what, offset);
  }
  std::memcpy(to, seen, bytes);
}

void fence_proxy_async() {
  fence_mbarrier_init();
  for (Block& block : block_of(self()).group->blocks) {
    for (Piece& piece : block.pieces) std::memcpy(async_view(piece).data(), piece.memory.data(), piece.bytes);
  }
}

std::uint32_t shared_address(const void* shared) {
  const Place place = place_of(shared);
  if (place.block != &block_of(self())) fault("%p lies in the shared memory of another block", shared);
  return std::uint32_t(place.offset);
}

int cluster_rank() { return block_of(self()).rank; }
int cluster_size() { return int(block_of(self()).group->launch->cluster); }

void* map_shared(const void* shared, int rank) {
  if (rank < 0 || rank >= cluster_size()) fault("mapa: block %d of a cluster of %d", rank, cluster_size());
  const Place place = place_of(shared);
  Block& target = block_of(self()).group->blocks[std::size_t(rank)];
  if (target.done == int(target.fibers.size())) fault("mapa: block %d of the cluster has ended", rank);
  Piece& piece = piece_at(target, place.offset, 1);
  return piece.memory.data() + (place.offset - piece.offset);
}

void check_cluster_barrier(Group& group) {
  const int all = int(group.blocks.size() * group.blocks[0].fibers.size());
  if (group.cluster_arrived == 0 || group.cluster_arrived + group.done < all) return;
  group.cluster_arrived = 0;
  ++group.cluster_phase;
  for (Fiber* f : group.cluster_waiting) wake(*f);
  group.cluster_waiting.clear();
}

void cluster_arrive() {
  Fiber& f = self();
  Group& group = *block_of(f).group;
  if (f.cluster_arrival == group.cluster_phase) fault("barrier.cluster.arrive twice without a wait between");
  f.cluster_arrival = group.cluster_phase;
  ++group.cluster_arrived;
  check_cluster_barrier(group);
}

void cluster_wait() {
  Fiber& f = self();
  Group& group = *block_of(f).group;
  if (f.cluster_arrival < 0) fault("barrier.cluster.wait without an arrive before it");
  if (f.cluster_arrival == group.cluster_phase) {
    group.cluster_waiting.push_back(&f);
    wait("the cluster's barrier");
  }
  f.cluster_arrival = -1;
}

// --- mbarrier ---

namespace {

MBarrier& barrier_of(const std::uint64_t* barrier) {
  auto& barriers = block_of(self()).group->mbarriers;
  const auto found = barriers.find(barrier);
  if (found == barriers.end()) fault("an mbarrier is used before mbarrier.init");
  return found->second;
}

void complete_phase_if_done(MBarrier& b) {
  if (b.pending != 0 || b.tx_bytes != 0) return;
  b.pending = b.expected;
  ++b.phase;
  for (Fiber* f : b.waiting) wake(*f);
  b.waiting.clear();
}

void settle(MBarrier& b) {
  for (const Landing& landing : std::exchange(b.landings, {})) {
    landing.land();
    b.tx_bytes -= landing.bytes;
  }
  complete_phase_if_done(b);
}

}  // namespace

void mbarrier_init(std::uint64_t* barrier, int arrivals) {
  place_of(barrier);  // or a fault
  if (reinterpret_cast<std::uintptr_t>(barrier) % 8) fault("mbarrier.init: not at a multiple of 8");
  if (arrivals < 1) fault("mbarrier.init for %d arrivals", arrivals);
  MBarrier& b = block_of(self()).group->mbarriers[barrier];
  block_of(self()).group->mbarriers_fenced = false;
  b = {};
  b.expected = b.pending = arrivals;
}

void fence_mbarrier_init() { block_of(self()).group->mbarriers_fenced = true; }

void mbarrier_expect_tx(std::uint64_t* barrier, int bytes) { barrier_of(barrier).tx_bytes += bytes; }

void mbarrier_arrive(std::uint64_t* barrier) {
  MBarrier& b = barrier_of(barrier);
  if (b.pending == 0) fault("mbarrier.arrive: more arrivals than the %d of mbarrier.init", b.expected);
  --b.pending;
  complete_phase_if_done(b);
  if (!b.waiting.empty()) settle(b);
}

bool mbarrier_test_wait(std::uint64_t* barrier, unsigned parity) {
  MBarrier& b = barrier_of(barrier);
  if ((b.phase & 1) == parity) settle(b);
  return (b.phase & 1) != parity;
}

void mbarrier_wait(std::uint64_t* barrier, unsigned parity) {
  while (!mbarrier_test_wait(barrier, parity)) {
    barrier_of(barrier).waiting.push_back(&self());
    wait("an mbarrier");
  }
}

namespace {

void send(std::uint64_t* barrier, int bytes, std::function<void()> land) {
  MBarrier& b = barrier_of(barrier);
  b.landings.push_back({bytes, std::move(land)});
  if (!b.waiting.empty()) settle(b);
}

}  // namespace

void store_async(void* shared, const void* value, int bytes, std::uint64_t* barrier) {
  if (reinterpret_cast<std::uintptr_t>(shared) % unsigned(bytes)) fault("st.async: not at a multiple of %d", bytes);
  std::vector<std::byte> copy(static_cast<const std::byte*>(value), static_cast<const std::byte*>(value) + bytes);
  std::memset(shared, kPoison, std::size_t(bytes));
  send(barrier, bytes, [=] { std::memcpy(shared, copy.data(), std::size_t(bytes)); });
}

void send_to_block(Block& block, std::size_t barrier_offset, int bytes, std::function<void()> land) {
  Piece& piece = piece_at(block, barrier_offset, 8);
  send(reinterpret_cast<std::uint64_t*>(piece.memory.data() + (barrier_offset - piece.offset)), bytes, std::move(land));
}

}  // namespace simt
