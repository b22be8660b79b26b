// cp.async: nothing lands before its wait.
#include <cstring>

#include "scheduler.h"

namespace simt {

void cp_async(void* shared, const void* global, int bytes, int bytes_read) {
  const auto misaligned = [&](const void* p) { return reinterpret_cast<std::uintptr_t>(p) % unsigned(bytes) != 0; };
  if (misaligned(shared)) fault("cp.async: the destination is not at a multiple of %d", bytes);
  if (bytes_read && misaligned(global)) fault("cp.async: the source is not at a multiple of %d", bytes);
  if (bytes_read < 0 || bytes_read > bytes) fault("cp.async: reads %d of %d bytes", bytes_read, bytes);
  std::memset(shared, kPoison, std::size_t(bytes));
  self().copies.push_back({shared, global, bytes, bytes_read});
}

void cp_async_commit() {
  Fiber& f = self();
  f.copy_groups.push_back(std::move(f.copies));
  f.copies.clear();
}

void cp_async_wait(int groups_left) {
  auto& groups = self().copy_groups;
  for (; groups.size() > std::size_t(groups_left); groups.pop_front()) {
    for (const CopyOp& op : groups.front()) {
      auto* to = static_cast<std::byte*>(op.to);
      if (op.bytes_read) std::memcpy(to, op.from, std::size_t(op.bytes_read));
      std::memset(to + op.bytes_read, 0, std::size_t(op.bytes - op.bytes_read));
    }
  }
}

}  // namespace simt
