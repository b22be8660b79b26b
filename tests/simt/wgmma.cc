// wgmma: a warp multiplies its 16 of the warpgroup's 64 rows when it waits for it.
#include <cstring>

#include "scheduler.h"
#include "swizzle.h"
#include "widen.h"

namespace simt {
namespace {

struct Call {
  MatrixType type;
  int columns;
  float* d;
  const std::uint32_t* a_registers;  // null: a is a descriptor
  std::uint64_t a, b;
  bool accumulate;
};

constexpr int kRowBytes = 32;  // of one pass over K: 16 halves or 8 tf32

// The layouts of the PTX manual for K-major operands ("Asynchronous warpgroup level matrix shared memory layout").
struct Descriptor {
  std::size_t start, leading, stride, span;
  explicit Descriptor(std::uint64_t bits)
      : start((bits & 0x3fff) << 4), leading((bits >> 16 & 0x3fff) << 4), stride((bits >> 32 & 0x3fff) << 4) {
    constexpr std::size_t kSpan[] = {16, 128, 64, 32};
    span = kSpan[bits >> 62];
    if (bits >> 49 & 7) fault("wgmma: the model knows descriptors with base offset 0 only");
  }

  // The offset of the 16-byte chunk `chunk` (0 or 1) of `row`.
  std::size_t at(int row, int chunk) const {
    if (span == 16) return start + std::size_t(row / 8) * stride + std::size_t(row % 8) * 16 + std::size_t(chunk) * leading;
    return swizzle(start + std::size_t(row / 8) * stride + std::size_t(row % 8) * span + std::size_t(chunk) * 16, span);
  }
};

// One row of an operand, as floats.
void read_row(Block& block, const Descriptor& from, int row, MatrixType type, float* to, int step) {
  std::uint32_t words[kRowBytes / 4];
  for (int chunk = 0; chunk < 2; ++chunk) read_async(block, from.at(row, chunk), words + chunk * 4, 16, "wgmma");
  for (int i = 0; i < kRowBytes / 4; ++i) {
    if (type == MatrixType::kTF32) {
      to[i * step] = widen_tf32(words[i]);
    } else {
      widen_pair(type, words[i], to + i * 2 * step, step);
    }
  }
}

// Register i of a lane: row g (+ 8), column 8 * (i / 4) + 2 * t (+ 1).
float& value_of(Accumulators& d, int lane, int i) {
  const int row = lane / 4 + i / 2 % 2 * 8, column = i / 4 * 8 + lane % 4 * 2 + i % 2;
  return d.values[std::size_t(row) * std::size_t(d.columns) + std::size_t(column)];
}

void multiply(Warp& warp, const WgmmaOp& op) {
  const int K = op.type == MatrixType::kTF32 ? 8 : 16, N = op.d->columns;
  float a[16][16];
  std::vector<float> b(std::size_t(K * N));
  for (int row = 0; row < 16 && !op.a_in_registers; ++row) {
    read_row(*warp.block, Descriptor(op.a), warp.index % 4 * 16 + row, op.type, a[row], 1);
  }
  for (int lane = 0; lane < 32 && op.a_in_registers; ++lane) {
    for (int r = 0; r < 4; ++r) {
      const int row = lane / 4 + r % 2 * 8, t = lane % 4;
      if (op.type == MatrixType::kTF32) {
        a[row][t + r / 2 * 4] = widen_tf32(op.a_registers[lane][r]);
      } else {
        widen_pair(op.type, op.a_registers[lane][r], &a[row][t * 2 + r / 2 * 8], 1);
      }
    }
  }
  for (int n = 0; n < N; ++n) read_row(*warp.block, Descriptor(op.b), n, op.type, &b[std::size_t(n)], N);
  if (!op.accumulate) std::fill(op.d->values.begin(), op.d->values.end(), 0.f);
  for (int m = 0; m < 16; ++m) {
    float* row = op.d->values.data() + m * N;
    for (int k = 0; k < K; ++k) {
      for (int n = 0; n < N; ++n) row[n] += a[m][k] * b[std::size_t(k * N + n)];
    }
  }
}

// The accumulators of operations that are under way are not in the registers any more.
std::shared_ptr<Accumulators> accumulators_of(WgmmaQueue& queue, const Call& first, void* const* arguments) {
  const auto find = [&](const std::vector<WgmmaOp>& ops) -> std::shared_ptr<Accumulators> {
    for (const WgmmaOp& op : ops) {
      if (op.d->registers[0] == first.d) return op.d;
    }
    return nullptr;
  };
  auto d = find(queue.open);
  for (const auto& group : queue.groups) d = d ? d : find(group);
  if (d) {
    if (d->columns != first.columns) fault("wgmma: accumulators under way with another shape");
    return d;
  }
  d = std::make_shared<Accumulators>();
  d->columns = first.columns;
  d->values.resize(std::size_t(16 * first.columns));
  for (int lane = 0; lane < 32; ++lane) {
    float* registers = d->registers[lane] = static_cast<const Call*>(arguments[lane])->d;
    for (int i = 0; i < first.columns / 2; ++i) value_of(*d, lane, i) = registers[i];
    std::memset(registers, kPoison, sizeof(float) * std::size_t(first.columns / 2));
  }
  return d;
}

void issue(Warp& warp, unsigned, void* const* arguments) {
  const auto& first = *static_cast<const Call*>(arguments[0]);
  if (std::size_t(warp.index / 4 * 4 + 4) > warp.block->warps.size()) fault("wgmma: the warp's group has no four warps");
  if (!warp.wgmma.fenced) fault("wgmma without a wgmma.fence since its registers were last used");
  if (first.columns % 8 || first.columns < 8 || first.columns > 256) fault("wgmma of %d columns", first.columns);
  WgmmaOp op{
      first.type,      accumulators_of(warp.wgmma, first, arguments), first.a_registers != nullptr, {}, first.a, first.b,
      first.accumulate};
  for (int lane = 0; lane < 32; ++lane) {
    const auto& call = *static_cast<const Call*>(arguments[lane]);
    if (call.a != op.a || call.b != op.b || call.accumulate != op.accumulate) fault("wgmma: the lanes' operands differ");
    if (op.a_in_registers) std::memcpy(op.a_registers[lane], call.a_registers, sizeof op.a_registers[lane]);
  }
  warp.wgmma.open.push_back(std::move(op));
}

void retire(Warp& warp, unsigned, void* const* arguments) {
  auto& groups = warp.wgmma.groups;
  const std::size_t left = *static_cast<const std::size_t*>(arguments[0]);
  for (; groups.size() > left; groups.pop_front()) {
    for (WgmmaOp& op : groups.front()) {
      multiply(warp, op);
      const std::shared_ptr<Accumulators> d = std::move(op.d);
      if (d.use_count() > 1) continue;  // another operation goes on with them
      for (int lane = 0; lane < 32; ++lane) {
        for (int i = 0; i < d->columns / 2; ++i) d->registers[lane][i] = value_of(*d, lane, i);
      }
    }
  }
  warp.wgmma.fenced = false;
}

}  // namespace

void wgmma_fence() {
  meet("wgmma.fence", kAllLanes, nullptr, [](Warp& warp, unsigned, void* const*) { warp.wgmma.fenced = true; });
}

void wgmma(MatrixType type, int columns, float* d, std::uint64_t a, std::uint64_t b, bool accumulate) {
  Call call{type, columns, d, nullptr, a, b, accumulate};
  meet("wgmma.mma_async", kAllLanes, &call, issue);
}

void wgmma(MatrixType type, int columns, float* d, const std::uint32_t* a, std::uint64_t b, bool accumulate) {
  Call call{type, columns, d, a, 0, b, accumulate};
  meet("wgmma.mma_async", kAllLanes, &call, issue);
}

void wgmma_commit() {
  meet("wgmma.commit_group", kAllLanes, nullptr,
       [](Warp& warp, unsigned, void* const*) { warp.wgmma.groups.push_back(std::exchange(warp.wgmma.open, {})); });
}

void wgmma_wait(int groups_left) {
  std::size_t left = std::size_t(groups_left);
  meet("wgmma.wait_group", kAllLanes, &left, retire);
}

}  // namespace simt
