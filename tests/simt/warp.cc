// Warp collectives: votes, shuffles, matrix fragments.
#include <bit>
#include <cstring>

#include "scheduler.h"
#include "widen.h"

namespace simt {
namespace {

struct Shuffle {
  std::uint64_t value;
  int source;
};

struct Vote {
  bool predicate;
  unsigned result;
};

struct Load {
  std::uint32_t* registers;
  int matrices;
  bool transposed;
  const void* row;
};

struct Mma {
  MatrixType type;
  float* d;
  const std::uint32_t *a, *b;
  const float* c;
};

// Lane 8m + i gives row i of matrix m; lane l receives of each matrix the two halves (row l/4, columns 2*(l%4) and +1), or,
// transposed, (rows 2*(l%4) and +1, column l/4).
void load_matrices(Warp&, unsigned, void* const* arguments) {
  const auto load = [&](int lane) -> const Load& { return *static_cast<const Load*>(arguments[lane]); };
  const int matrices = load(0).matrices;
  for (int m = 0; m < matrices; ++m) {
    std::uint16_t matrix[8][8];
    for (int i = 0; i < 8; ++i) {
      const void* row = load(m * 8 + i).row;
      if (reinterpret_cast<std::uintptr_t>(row) % 16)
        fault("ldmatrix: the row of lane %d is not at a multiple of 16", m * 8 + i);
      std::memcpy(matrix[i], row, 16);
    }
    for (int lane = 0; lane < 32; ++lane) {
      const int i = lane / 4, j = lane % 4 * 2;
      const bool transposed = load(lane).transposed;
      const std::uint32_t low = transposed ? matrix[j][i] : matrix[i][j];
      const std::uint32_t high = transposed ? matrix[j + 1][i] : matrix[i][j + 1];
      load(lane).registers[m] = low | high << 16;
    }
  }
}

// d = a * b + c on one 16 x 8 tile, K = 16 (16-bit types) or 8 (tf32). The products of a pass are added in the order of K.
void multiply(Warp&, unsigned, void* const* arguments) {
  const auto mma = [&](int lane) -> const Mma& { return *static_cast<const Mma*>(arguments[lane]); };
  const MatrixType type = mma(0).type;
  const int K = type == MatrixType::kTF32 ? 8 : 16;
  float a[16][16], b[16][8], d[16][8];
  std::uint32_t words_a[32][4], words_b[32][2];
  for (int lane = 0; lane < 32; ++lane) {
    std::memcpy(words_a[lane], mma(lane).a, sizeof words_a[lane]);
    std::memcpy(words_b[lane], mma(lane).b, sizeof words_b[lane]);
  }
  for (int lane = 0; lane < 32; ++lane) {
    const int g = lane / 4, t = lane % 4;
    if (type == MatrixType::kTF32) {
      for (int r = 0; r < 4; ++r) a[g + r % 2 * 8][t + r / 2 * 4] = widen_tf32(words_a[lane][r]);
      for (int r = 0; r < 2; ++r) b[t + r * 4][g] = widen_tf32(words_b[lane][r]);
    } else {
      for (int r = 0; r < 4; ++r) widen_pair(type, words_a[lane][r], &a[g + r % 2 * 8][t * 2 + r / 2 * 8], 1);
      for (int r = 0; r < 2; ++r) widen_pair(type, words_b[lane][r], &b[t * 2 + r * 8][g], 8);
    }
    for (int r = 0; r < 4; ++r) d[g + r / 2 * 8][t * 2 + r % 2] = mma(lane).c[r];
  }
  for (int m = 0; m < 16; ++m) {
    float sum[8];  // stays in vector registers
    std::memcpy(sum, d[m], sizeof sum);
    for (int k = 0; k < K; ++k) {
      for (int n = 0; n < 8; ++n) sum[n] += a[m][k] * b[k][n];
    }
    std::memcpy(d[m], sum, sizeof sum);
  }
  for (int lane = 0; lane < 32; ++lane) {
    const int g = lane / 4, t = lane % 4;
    for (int r = 0; r < 4; ++r) mma(lane).d[r] = d[g + r / 2 * 8][t * 2 + r % 2];
  }
}

}  // namespace

void sync_warp(unsigned mask) { meet("__syncwarp", mask, nullptr, nullptr); }

std::uint64_t shuffle(unsigned mask, std::uint64_t value, int source_lane) {
  Shuffle s{value, source_lane};
  meet("__shfl_sync", mask, &s, [](Warp&, unsigned mask, void* const* arguments) {
    std::uint64_t values[32];
    for (int lane = 0; lane < 32; ++lane) {
      if (mask >> lane & 1) values[lane] = static_cast<Shuffle*>(arguments[lane])->value;
    }
    for (int lane = 0; lane < 32; ++lane) {
      if (!(mask >> lane & 1)) continue;
      auto& s = *static_cast<Shuffle*>(arguments[lane]);
      if (!(mask >> s.source & 1))
        fault("__shfl_sync: lane %d reads lane %d, which mask %08x leaves out", lane, s.source, mask);
      s.value = values[s.source];
    }
  });
  return s.value;
}

unsigned ballot(unsigned mask, bool predicate) {
  Vote v{predicate, 0};
  meet("__ballot_sync", mask, &v, [](Warp&, unsigned mask, void* const* arguments) {
    unsigned result = 0;
    for (int lane = 0; lane < 32; ++lane) {
      if (mask >> lane & 1 && static_cast<Vote*>(arguments[lane])->predicate) result |= 1u << lane;
    }
    for (int lane = 0; lane < 32; ++lane) {
      if (mask >> lane & 1) static_cast<Vote*>(arguments[lane])->result = result;
    }
  });
  return v.result;
}

void ldmatrix(std::uint32_t* registers, int matrices, bool transposed, const void* row) {
  Load load{registers, matrices, transposed, row};
  meet("ldmatrix", kAllLanes, &load, load_matrices);
}

std::uint32_t round_tf32(float v) {
  const auto bits = std::bit_cast<std::uint32_t>(v);
  if ((bits & 0x7f800000u) == 0x7f800000u) return bits;  // infinity and NaN
  return (bits + 0x1000u) & 0xffffe000u;
}

void mma(MatrixType type, float* d, const std::uint32_t* a, const std::uint32_t* b, const float* c) {
  Mma mma{type, d, a, b, c};
  meet("mma.sync", kAllLanes, &mma, multiply);
}

}  // namespace simt
