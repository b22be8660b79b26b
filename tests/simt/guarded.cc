#include "guarded.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <map>
#include <mutex>
#include <new>

#include "scheduler.h"

namespace simt {
namespace {

constexpr int kMargin = 0xa5;  // what lies between the data and the guard pages
const std::size_t kPage = std::size_t(sysconf(_SC_PAGESIZE));

struct Range {
  std::size_t bytes;  // of the mapping
  std::uintptr_t data;
  std::size_t data_bytes;
  std::string what;
};
std::mutex ranges_mutex;
std::map<std::uintptr_t, Range> ranges;  // by the start of the mapping

// Only for a process that is about to end, so it may lock and print.
void on_fault(int signal, siginfo_t* info, void*) {
  const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
  const auto next = ranges.upper_bound(address);
  if (next != ranges.begin()) {
    const auto& [start, range] = *std::prev(next);
    if (address < start + range.bytes) {
      const auto where = (long long)(address - range.data);
      std::fprintf(stderr, "simt: access outside %s: byte %lld of %zu", range.what.c_str(), where, range.data_bytes);
      if (current) {
        std::fprintf(stderr, ", by thread (%u,%u,%u) of block (%u,%u,%u)", current->thread.x, current->thread.y,
                     current->thread.z, current->block.x, current->block.y, current->block.z);
      }
      std::fprintf(stderr, "\n");
    }
  }
  ::signal(signal, SIG_DFL);  // the access is tried again, and ends the process as any other would
}

}  // namespace

GuardedMemory::GuardedMemory(std::size_t bytes, std::size_t align, std::string what) : bytes_(bytes), align_(align) {
  // The end of the data, rounded up to its alignment, is the guard page.
  const std::size_t padded = (bytes + align - 1) / align * align;
  const std::size_t inner = (padded + kPage - 1) / kPage * kPage;
  mapped_bytes_ = inner + 2 * kPage;
  void* mapping = mmap(nullptr, mapped_bytes_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED) throw std::bad_alloc();
  mapping_ = static_cast<std::byte*>(mapping);
  mprotect(mapping_ + kPage, inner, PROT_READ | PROT_WRITE);
  data_ = mapping_ + kPage + inner - padded;
  {
    const std::lock_guard lock(ranges_mutex);
    const auto start = reinterpret_cast<std::uintptr_t>(mapping_);
    ranges[start] = {mapped_bytes_, reinterpret_cast<std::uintptr_t>(data_), bytes, std::move(what)};
  }
  poison();
}

GuardedMemory::~GuardedMemory() {
  if (!mapping_) return;
  const std::lock_guard lock(ranges_mutex);
  ranges.erase(reinterpret_cast<std::uintptr_t>(mapping_));
  munmap(mapping_, mapped_bytes_);
}

GuardedMemory& GuardedMemory::operator=(GuardedMemory&& other) noexcept {
  std::swap(mapping_, other.mapping_);
  std::swap(mapped_bytes_, other.mapped_bytes_);
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  std::swap(align_, other.align_);
  return *this;
}

void GuardedMemory::poison() {
  std::byte *first = mapping_ + kPage, *last = mapping_ + mapped_bytes_ - kPage, *end = data_ + bytes_;
  std::memset(first, kMargin, std::size_t(data_ - first));
  std::memset(data_, kPoison, bytes_);
  std::memset(end, kMargin, std::size_t(last - end));
}

bool GuardedMemory::damaged() const {
  const auto touched = [](const std::byte* from, const std::byte* to) {
    for (; from < to; ++from) {
      if (*from != std::byte(kMargin)) return true;
    }
    return false;
  };
  return touched(mapping_ + kPage, data_) || touched(data_ + bytes_, mapping_ + mapped_bytes_ - kPage);
}

void watch_guard_pages() {
  // The handler may run because a fiber's own stack is used up. A sanitizer has given the thread a stack for that already.
  struct Alternate {
    const std::size_t bytes = 64 << 10;
    std::unique_ptr<std::byte[]> memory;
    Alternate() {
      stack_t stack{};
      sigaltstack(nullptr, &stack);
      if (!(stack.ss_flags & SS_DISABLE)) return;
      memory = std::make_unique<std::byte[]>(bytes);
      stack = {memory.get(), 0, bytes};
      sigaltstack(&stack, nullptr);
    }
    ~Alternate() {
      const stack_t none{nullptr, SS_DISABLE, 0};
      if (memory) sigaltstack(&none, nullptr);
    }
  };
  static thread_local const Alternate alternate;
  [[maybe_unused]] const auto& used = alternate;  // so that it is made
  struct sigaction action {};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigaction(SIGSEGV, &action, nullptr);
}

}  // namespace simt
