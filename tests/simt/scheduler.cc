#include "scheduler.h"

#include <sys/mman.h>

#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <mutex>
#include <thread>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace simt {

thread_local constinit ThreadIndex* current = nullptr;

namespace {

using boost::context::detail::fcontext_t;
using boost::context::detail::jump_fcontext;
using boost::context::detail::make_fcontext;
using boost::context::detail::transfer_t;

#if defined(__SANITIZE_ADDRESS__)
constexpr std::size_t kStackBytes = 256 << 10;  // its frames are several times as large
#else
constexpr std::size_t kStackBytes = 64 << 10;
#endif

// Tells AddressSanitizer about a switch: which stack we leave for, and, on the other side, that we have arrived.
struct Stack {
  void* bottom = nullptr;
  std::size_t bytes = 0;
};
#if defined(__SANITIZE_ADDRESS__)
void leave_for(void** own_fake_stack, const Stack& to) {
  __sanitizer_start_switch_fiber(own_fake_stack, to.bottom, to.bytes);
}
void arrived(void* own_fake_stack, Stack* from) {
  const void* bottom = nullptr;
  std::size_t bytes = 0;
  __sanitizer_finish_switch_fiber(own_fake_stack, &bottom, &bytes);
  if (from) *from = {const_cast<void*>(bottom), bytes};
}
void forget_frames(const Stack& stack) { __asan_unpoison_memory_region(stack.bottom, stack.bytes); }
#else
void leave_for(void**, const Stack&) {}
void arrived(void*, Stack*) {}
void forget_frames(const Stack&) {}
#endif

// Stacks, one after another with a guard page below each; kept for the next kernel.
class Stacks {
 public:
  Stack at(std::size_t i) {
    while (i >= mapped_.size()) map_more();
    // Their tops at different places in the page: at the same one, all lanes' frames would compete for the same cache lines.
    return {mapped_[i], kStackBytes - i % 32 * 448};
  }

 private:
  void map_more() {
    constexpr std::size_t kPage = 4096, kCount = 64, kEach = kStackBytes + kPage;
    void* all = mmap(nullptr, kCount * kEach, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (all == MAP_FAILED) throw std::bad_alloc();
    for (std::size_t i = 0; i < kCount; ++i) {
      char* stack = static_cast<char*>(all) + i * kEach + kPage;
      mprotect(stack, kStackBytes, PROT_READ | PROT_WRITE);
      mapped_.push_back(stack);
    }
  }
  std::vector<void*> mapped_;
};

// Runs groups, one at a time, on one OS thread.
struct Worker {
  Stacks stacks;
  std::vector<GuardedMemory> spare_memory;  // of pieces of blocks that ended
  std::mt19937_64 random;
  std::uint64_t seed = 0;
  Group* group = nullptr;
  Fiber* running = nullptr;
  Fiber* left = nullptr;  // the fiber that was left last: its context is known only after the jump
  fcontext_t main_context = nullptr;
  void* main_fake_stack = nullptr;
  Stack main_stack;
  std::vector<Warp*> warps;  // of the group, in the order of their turns
  std::size_t turn = 0;
  unsigned rotation = 0;
  bool descending = false;
  long idle_yields = 0;
  std::string fault;
  int fibers = 0;
};
thread_local Worker* worker = nullptr;

std::string text_of(const char* format, va_list list) {
  char text[512];
  std::vsnprintf(text, sizeof text, format, list);
  return text;
}

std::string place_of(const Fiber& f) {
  char text[128];
  const auto& [thread, block, block_dim, grid_dim] = f.index;
  std::snprintf(text, sizeof text, "block (%u,%u,%u) thread (%u,%u,%u)", block.x, block.y, block.z, thread.x, thread.y,
                thread.z);
  return text;
}

// The next lane of `warp`: in order, or in this turn's order.
Fiber& next_lane(Warp& warp) {
  const unsigned turned = std::rotr(warp.ready, int(worker->rotation));
  const int first = worker->descending ? 31 - std::countl_zero(turned) : std::countr_zero(turned);
  return warp.lanes[(unsigned(first) + worker->rotation) & 31];
}

// Whose turn it is: the warp that ran last goes on as long as it can, so that it runs ahead of the others as far as its
// barriers let it. `fair`: some other warp, if there is one.
Fiber* next_fiber(bool fair) {
  Worker& w = *worker;
  Warp* last = w.running ? w.running->warp : nullptr;
  if (last && last->ready && !fair) return &next_lane(*last);
  const std::size_t n = w.warps.size();
  if (w.seed > 1) {
    w.turn = w.random() % n;
    w.rotation = unsigned(w.random() % 32);
    w.descending = w.random() % 2;
  }
  for (std::size_t i = 0; i < n; ++i) {
    w.turn = (w.turn + 1) % n;
    Warp& warp = *w.warps[w.turn];
    if (warp.ready && &warp != last) return &next_lane(warp);
  }
  return last && last->ready ? &next_lane(*last) : nullptr;
}

Stack stack_of(const Fiber& f);

// Keeps the context of whom we came from.
void note_arrival(transfer_t from) {
  if (worker->left) {
    worker->left->context = from.fctx;
  } else {
    worker->main_context = from.fctx;
  }
}

void go_to(Fiber& to) {
  Worker& w = *worker;
  Fiber* from = w.running;
  if (&to == from) return;
  w.running = &to;
  w.left = from;
  current = &to.index;
  leave_for(from ? &from->fake_stack : &w.main_fake_stack, stack_of(to));
  note_arrival(jump_fcontext(to.context, nullptr));
  arrived(from ? from->fake_stack : w.main_fake_stack, nullptr);
}

// Leaves the group for good: it has ended, or a fault ends it.
[[noreturn]] void go_home() {
  Worker& w = *worker;
  w.left = w.running;
  w.running = nullptr;
  current = nullptr;
  leave_for(nullptr, w.main_stack);
  jump_fcontext(w.main_context, nullptr);
  __builtin_unreachable();
}

// Unwinds the fiber that a fault ends; the others are left where they are.
struct Faulted {};

[[noreturn]] void end_with_fault(const std::string& text) {
  worker->fault = worker->group->launch->name + ": " + text;
  throw Faulted();
}

std::string deadlock_report() {
  std::string text = "deadlock";
  int shown = 0, waiting = 0;
  for (Block& block : worker->group->blocks) {
    for (Fiber& f : block.fibers) {
      if (f.warp->done >> f.lane & 1) continue;
      ++waiting;
      // The first few, and then one for each other thing that is waited for.
      if (shown < 4) {
        text += (shown++ ? "; " : ": ") + place_of(f) + " waits for " + f.waits_for;
      }
    }
  }
  text += "; " + std::to_string(waiting) + " threads wait, " + std::to_string(worker->fibers - waiting) + " have ended";
  return text;
}

// The running fiber cannot go on.
void switch_away(bool fair) {
  Fiber* next = next_fiber(fair);
  if (!next) end_with_fault(deadlock_report());
  go_to(*next);
}

void check_pieces(Block& block) {
  for (Piece& piece : block.pieces) {
    if (piece.memory.damaged()) {
      fault("a store outside shared memory: the margin of the piece at offset %zu, %zu bytes, was written", piece.offset,
            piece.bytes);
    }
    worker->spare_memory.push_back(std::move(piece.memory));
  }
  block.pieces.clear();
}

// After the kernel's end: what the others see of it, and on to them. Returns when it was the last.
void end_fiber() {
  Fiber& f = self();
  Warp& warp = *f.warp;
  Block& block = *warp.block;
  warp.ready &= ~(1u << f.lane);
  warp.done |= 1u << f.lane;
  if (worker->group->launch->early && !f.waited) {
    fault("lane %d ended without griddepcontrol.wait; launched early, it may have run before what it reads was written",
          f.lane);
  }
  for (const Rendezvous& r : warp.open) {
    if (r.mask >> f.lane & 1) fault("lane %d ended, but others wait for it at %s with mask %08x", f.lane, r.what, r.mask);
  }
  if (++block.done == int(block.fibers.size())) check_pieces(block);
  if (++worker->group->done == worker->fibers) return;
  check_cluster_barrier(*worker->group);
  switch_away(false);
}

void fiber_main(transfer_t from) {
  note_arrival(from);
  arrived(nullptr, worker->main_stack.bottom ? nullptr : &worker->main_stack);
  try {
    worker->group->launch->body();
    end_fiber();
  } catch (const Faulted&) {
  }
  go_home();
}

Stack stack_of(const Fiber& f) { return worker->stacks.at(f.stack); }

void set_up(Block& block, const Launch& launch, unsigned linear, std::size_t first_stack) {
  const unsigned threads = launch.block.x * launch.block.y * launch.block.z;
  block.index = {linear % launch.grid.x, linear / launch.grid.x % launch.grid.y, linear / launch.grid.x / launch.grid.y};
  block.rank = int(linear % launch.cluster);
  block.fibers.resize(threads);
  block.warps.resize((threads + 31) / 32);
  for (unsigned i = 0; i < threads; ++i) {
    Fiber& f = block.fibers[i];
    f.index = {{i % launch.block.x, i / launch.block.x % launch.block.y, i / launch.block.x / launch.block.y},
               block.index,
               launch.block,
               launch.grid};
    f.warp = &block.warps[i / 32];
    f.lane = int(i % 32);
    f.stack = first_stack + i;
    const Stack stack = stack_of(f);
    forget_frames(stack);
    f.context = make_fcontext(static_cast<char*>(stack.bottom) + stack.bytes, stack.bytes, fiber_main);
  }
  for (unsigned i = 0; i < block.warps.size(); ++i) {
    Warp& warp = block.warps[i];
    warp.block = &block;
    warp.lanes = &block.fibers[i * 32];
    warp.index = int(i);
    const unsigned lanes = std::min(32u, threads - i * 32);
    warp.present = warp.ready = lanes == 32 ? ~0u : (1u << lanes) - 1;
  }
}

// Runs blocks [first, first + count) together.
void run_group(Worker& w, const Launch& launch, unsigned first, unsigned count, std::uint64_t seed) {
  Group group;
  group.launch = &launch;
  group.blocks.resize(count);
  const unsigned threads = launch.block.x * launch.block.y * launch.block.z;
  w.warps.clear();
  for (unsigned i = 0; i < count; ++i) {
    group.blocks[i].group = &group;
    set_up(group.blocks[i], launch, first + i, std::size_t(i) * threads);
    for (Warp& warp : group.blocks[i].warps) w.warps.push_back(&warp);
  }
  if (seed == 1) std::reverse(w.warps.begin(), w.warps.end());
  w.random.seed(seed * 0x9e3779b97f4a7c15u + first);
  w.seed = seed;
  w.group = &group;
  w.fibers = int(count * threads);
  w.turn = w.warps.size() - 1;
  w.rotation = 0;
  w.descending = seed == 1;
  w.idle_yields = 0;
  go_to(*next_fiber(false));
  w.group = nullptr;
}

}  // namespace

Fiber& self() { return *worker->running; }

int lane() { return self().lane; }

void wait(const char* what) {
  Fiber& f = self();
  f.waits_for = what;
  f.warp->ready &= ~(1u << f.lane);
  worker->idle_yields = 0;
  switch_away(false);
  f.waits_for = "its turn";
}

void wake(Fiber& fiber) { fiber.warp->ready |= 1u << fiber.lane; }

void yield() {
  constexpr long kForEver = 20'000'000;
  if (++worker->idle_yields > kForEver) fault("a thread polls for ever");
  switch_away(true);
}

void grid_dependency_wait() { self().waited = true; }

void fault(const char* format, ...) {
  va_list list;
  va_start(list, format);
  std::string text = text_of(format, list);
  va_end(list);
  end_with_fault(place_of(self()) + ": " + text);
}

void meet(const char* what, unsigned mask, void* argument, Operation operation) {
  Fiber& f = self();
  Warp& warp = *f.warp;
  if (!(mask >> f.lane & 1)) fault("lane %d calls %s with mask %08x, which leaves it out", f.lane, what, mask);
  if (mask & ~warp.present) fault("%s with mask %08x, but the warp has lanes %08x only", what, mask, warp.present);
  if (mask & warp.done) fault("%s with mask %08x, but lanes %08x have ended", what, mask, mask & warp.done);
  std::size_t i = 0;
  while (i < warp.open.size() && !(warp.open[i].mask & mask)) ++i;
  if (i == warp.open.size()) warp.open.push_back({what, mask, 0, {}});
  Rendezvous& r = warp.open[i];
  if (r.mask != mask || r.what != what) {
    fault("lane %d is at %s with mask %08x, but lanes %08x wait at %s with mask %08x", f.lane, what, mask, r.arrived, r.what,
          r.mask);
  }
  r.arguments[f.lane] = argument;
  r.arrived |= 1u << f.lane;
  if (r.arrived != mask) {
    wait(what);
    return;
  }
  if (operation) operation(warp, mask, r.arguments);
  warp.open.erase(warp.open.begin() + std::ptrdiff_t(i));
  warp.ready |= mask;
}

namespace {

void arrive(int id, int threads, bool waits) {
  Fiber& f = self();
  Block& block = *f.warp->block;
  if (id < 0 || id > 15) fault("barrier %d; there are 0 to 15", id);
  Barrier& b = block.barriers[id];
  const int expected = threads ? threads : int(block.fibers.size());
  if (b.arrived && b.expected != expected) {
    fault("barrier %d is for %d threads here, but others wait there for %d", id, expected, b.expected);
  }
  b.expected = expected;
  if (++b.arrived == expected) {
    b.arrived = 0;
    for (Fiber* other : b.waiting) wake(*other);
    b.waiting.clear();
  } else if (waits) {
    b.waiting.push_back(&f);
    wait("a barrier of its block");
  }
}

}  // namespace

void barrier_sync(int id, int threads) { arrive(id, threads, true); }
void barrier_arrive(int id, int threads) { arrive(id, threads, false); }

void* shared_piece(std::size_t offset, std::size_t bytes, std::size_t align) {
  Block& block = block_of(self());
  for (Piece& piece : block.pieces) {
    if (piece.offset == offset && piece.bytes == bytes) return piece.memory.data();
    if (offset < piece.offset + piece.bytes && piece.offset < offset + bytes) {
      fault("shared memory [%zu, %zu) was taken as [%zu, %zu) before", offset, offset + bytes, piece.offset,
            piece.offset + piece.bytes);
    }
  }
  if (offset + bytes > block.group->launch->smem_bytes) {
    fault("shared memory [%zu, %zu) was taken, but the launch gave %zu bytes", offset, offset + bytes,
          block.group->launch->smem_bytes);
  }
  Piece piece{offset, bytes, {}};
  auto& spare = worker->spare_memory;
  for (GuardedMemory& memory : spare) {
    if (memory.bytes() != bytes || memory.align() != align) continue;
    piece.memory = std::move(memory);
    memory = std::move(spare.back());
    spare.pop_back();
    piece.memory.poison();
    break;
  }
  if (!piece.memory.data()) piece.memory = GuardedMemory(bytes, align, "shared memory");
  block.pieces.push_back(std::move(piece));
  return block.pieces.back().memory.data();
}

std::string run(const Launch& launch, std::uint64_t seed, int workers) {
  const unsigned blocks = launch.grid.x * launch.grid.y * launch.grid.z;
  const unsigned group_blocks = launch.cooperative ? blocks : launch.cluster;
  const unsigned groups = blocks / group_blocks;

  static std::mutex mutex;  // of what follows
  static std::vector<std::unique_ptr<Worker>> idle;
  std::string fault;
  std::atomic<unsigned> next = 0;
  const auto work = [&] {
    watch_guard_pages();
    std::unique_ptr<Worker> w;
    {
      const std::lock_guard lock(mutex);
      if (!idle.empty()) w = std::move(idle.back()), idle.pop_back();
    }
    if (!w) w = std::make_unique<Worker>();
    w->main_stack = {};
    w->fault.clear();
    worker = w.get();
    for (unsigned i; w->fault.empty() && (i = next++) < groups;) {
      const unsigned group = seed == 1 ? groups - 1 - i : i;
      run_group(*w, launch, group * group_blocks, group_blocks, seed);
    }
    worker = nullptr;
    if (!w->fault.empty()) next = groups;
    const std::lock_guard lock(mutex);
    if (fault.empty()) fault = w->fault;
    idle.push_back(std::move(w));
  };

  std::vector<std::jthread> helpers;
  for (int i = 1; i < workers && unsigned(i) < groups; ++i) helpers.emplace_back(work);
  work();
  helpers.clear();
  return fault;
}

}  // namespace simt
