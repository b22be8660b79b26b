// Tensor maps, and the copies of boxes between device and shared memory.
#include <cuda.h>

#include <cstring>

#include "runtime.h"
#include "scheduler.h"
#include "swizzle.h"

namespace simt {
namespace {

// What lies in a CUtensorMap. Dimension 0 is the innermost.
struct TensorMap {
  std::byte* address;
  std::uint64_t strides[5];  // bytes; [0] is an element
  std::uint32_t dims[5];
  std::uint16_t box[5];
  std::uint8_t steps[5];
  std::uint8_t rank, element_bytes, swizzle;
};
static_assert(sizeof(TensorMap) <= sizeof(CUtensorMap));

int bytes_of(CUtensorMapDataType type) {
  constexpr int kBytes[] = {1, 2, 4, 4, 8, 8, 2, 4, 8, 2};
  return kBytes[type];
}

// Boxes are taken in steps, so fewer elements than the box spans.
int box_extent(const TensorMap& m, int i) { return i < m.rank ? (m.box[i] + m.steps[i] - 1) / m.steps[i] : 1; }

int box_bytes(const TensorMap& m) {
  int bytes = m.element_bytes;
  for (int i = 0; i < m.rank; ++i) bytes *= box_extent(m, i);
  return bytes;
}

TensorMap map_of(const void* tensor_map, int rank) {
  if (reinterpret_cast<std::uintptr_t>(tensor_map) % 64) fault("TMA: the tensor map is not at a multiple of 64");
  TensorMap m;
  std::memcpy(&m, tensor_map, sizeof m);
  if (m.rank != rank) fault("TMA: %d coordinates for a tensor of %d dimensions", rank, m.rank);
  return m;
}

// Calls each(offset in the box in bytes, address or null outside the tensor) for the elements of the box at `at`.
template <typename Each>
void for_box(const TensorMap& m, const int* at, Each each) {
  int i[5] = {};
  std::size_t offset = 0;
  do {
    std::byte* address = m.address;
    bool inside = true;
    for (int d = 0; d < m.rank; ++d) {
      const long c = long(at[d]) + long(i[d]) * m.steps[d];
      inside = inside && c >= 0 && c < long(m.dims[d]);
      address += c * long(m.strides[d]);
    }
    each(offset, inside ? address : nullptr);
    offset += m.element_bytes;
    int d = 0;
    while (d < m.rank && ++i[d] == box_extent(m, d)) i[d++] = 0;
    if (d == m.rank) return;
  } while (true);
}

std::size_t swizzled(const TensorMap& m, std::size_t offset) { return swizzle(offset, m.swizzle ? 16 << m.swizzle : 16); }

struct At {
  int c[5];
};
At copy_of(const int* coordinates, int rank) {
  At at{};
  std::memcpy(at.c, coordinates, sizeof(int) * std::size_t(rank));
  return at;
}

}  // namespace

void tma_load(void* shared, const void* tensor_map, std::uint64_t* barrier, const int* coordinates, int rank,
              unsigned blocks) {
  const TensorMap m = map_of(tensor_map, rank);
  const std::uint32_t to = shared_address(shared), barrier_at = shared_address(barrier);
  const unsigned align = m.swizzle ? 128 << m.swizzle : 128;  // a swizzle repeats after 256, 512 or 1024 bytes
  if (to % align) fault("TMA: the destination is not at a multiple of %u", align);
  if (!block_of(self()).group->mbarriers_fenced) fault("TMA: no fence.mbarrier_init since the last mbarrier.init");
  const int bytes = box_bytes(m);
  Block& own = block_of(self());
  for (Block& block : own.group->blocks) {
    if (blocks ? !(blocks >> block.rank & 1) : &block != &own) continue;
    const auto nothing = std::vector<std::byte>(std::size_t(bytes), std::byte(kPoison));
    write_async(block, to, nothing.data(), nothing.size());
    send_to_block(block, barrier_at, bytes, [m, to, &block, at = copy_of(coordinates, rank)] {
      constexpr std::byte kZero[8] = {};
      for_box(m, at.c, [&](std::size_t offset, const std::byte* from) {
        write_async(block, swizzled(m, to + offset), from ? from : kZero, m.element_bytes);
      });
    });
  }
}

void tma_store(const void* tensor_map, const void* shared, const int* coordinates, int rank) {
  const TensorMap m = map_of(tensor_map, rank);
  const std::uint32_t from = shared_address(shared);
  if (from % 128) fault("TMA: the source is not at a multiple of 128");
  Block& block = block_of(self());
  self().stores.push_back([m, from, &block, at = copy_of(coordinates, rank)] {
    for_box(m, at.c, [&](std::size_t offset, std::byte* to) {
      std::byte element[8];
      read_async(block, swizzled(m, from + offset), element, m.element_bytes, "a TMA store");
      if (to) std::memcpy(to, element, m.element_bytes);
    });
  });
}

void tma_store_commit() { self().store_groups.push_back(std::exchange(self().stores, {})); }

void tma_store_wait(int groups_left) {
  auto& groups = self().store_groups;
  for (; groups.size() > std::size_t(groups_left); groups.pop_front()) {
    for (const auto& store : groups.front()) store();
  }
}

}  // namespace simt

using namespace simt;

CUresult cuTensorMapEncodeTiled(CUtensorMap* map, CUtensorMapDataType type, cuuint32_t rank, void* address,
                                const cuuint64_t* dims, const cuuint64_t* strides_bytes, const cuuint32_t* box,
                                const cuuint32_t* element_strides, CUtensorMapInterleave, CUtensorMapSwizzle swizzle,
                                CUtensorMapL2promotion, CUtensorMapFloatOOBfill) {
  TensorMap m{};
  if (rank < 1 || rank > 5 || reinterpret_cast<std::uintptr_t>(address) % 16) return CUDA_ERROR_INVALID_VALUE;
  m.address = static_cast<std::byte*>(address);
  m.rank = std::uint8_t(rank);
  m.element_bytes = std::uint8_t(bytes_of(type));
  m.swizzle = std::uint8_t(swizzle);
  m.strides[0] = m.element_bytes;
  for (cuuint32_t i = 0; i < rank; ++i) {
    const bool fits = dims[i] >= 1 && dims[i] < (1ull << 32) && box[i] >= 1 && box[i] <= 256 && element_strides[i] >= 1 &&
                      element_strides[i] <= 8 && (i == 0 || strides_bytes[i - 1] % 16 == 0);
    if (!fits) return CUDA_ERROR_INVALID_VALUE;
    m.dims[i] = std::uint32_t(dims[i]);
    m.box[i] = std::uint16_t(box[i]);
    m.steps[i] = std::uint8_t(element_strides[i]);
    if (i) m.strides[i] = strides_bytes[i - 1];
  }
  const cuuint32_t row_bytes = box[0] * m.element_bytes;
  if (row_bytes % 16 || (swizzle && row_bytes > (16u << swizzle))) return CUDA_ERROR_INVALID_VALUE;
  std::memset(map, 0, sizeof *map);
  std::memcpy(map, &m, sizeof m);
  return CUDA_SUCCESS;
}

cudaError_t cudaGetDriverEntryPointByVersion(const char* symbol, void** function, unsigned, unsigned long long,
                                             cudaDriverEntryPointQueryResult* result) {
  const bool known = device().count && device().tensor_maps && std::strcmp(symbol, "cuTensorMapEncodeTiled") == 0;
  *function = known ? reinterpret_cast<void*>(&cuTensorMapEncodeTiled) : nullptr;
  if (result) *result = known ? cudaDriverEntryPointSuccess : cudaDriverEntryPointSymbolNotFound;
  return cudaSuccess;
}
