#include "kernels/draw_moved_face.h"
#include "kernels/launch.h"

namespace emo {
namespace {

constexpr int kTile = 16, kThreads = kTile * kTile;  // pixels of a block's sides; its rows are those of a band
static_assert(kTile == kBandRows);
constexpr int kCells = kFine * kFine;  // of a pixel where layers meet

struct DevicePhoto {
  PhotoPart part;

  __device__ PixelArea bounds() const { return {part.x, part.y, part.x + part.width, part.y + part.height}; }
  __device__ const std::uint8_t* pixel(int x, int y) const {
    return part.rgb + (size_t(y - part.y) * part.width + (x - part.x)) * 3;
  }
  __device__ bool bgr() const { return false; }
  __device__ bool add_inside(int, int, const float*, const float*, float, Rgb&) const { return false; }
};

/// The memory that a block's threads share.
struct TileMemory {
  __device__ TileMemory(SharedMemory& smem, int patches)
      : cells(smem.take<int>(kThreads * kCells)),
        shares(smem.take<float>(kThreads * kCells * 3)),
        mixed(smem.take<int>(kThreads)),
        counts(smem.take<int>(2)),
        near(smem.take<std::uint16_t>(patches)) {}
  static std::size_t bytes(int patches) {
    return (kThreads * kCells * 4 + kThreads + 4) * sizeof(int) + patches * sizeof(std::uint16_t);
  }

  int* cells;           // (rows, columns) of the grid at hand: the last patch that covers a cell; -1 none
  float* shares;        // (mixed pixels, kCells, 3)
  int* mixed;           // the pixels whose layers meet, as their threads are numbered
  int* counts;          // of `near`, of `mixed`
  std::uint16_t* near;  // patches that may cover a pixel of the tile, in any order
};

// A tile of 16 x 16 pixels a block. Its threads find the patches that reach into it, note for each cell the last of them
// that covers it, a row of a patch a thread, and then draw a pixel each: first the pixels where one cell will do, then, one
// of nine cells a thread, those where layers meet. Windows and what lies outside them are maps of their own, one after the
// other, with the origins that the CPU's have, so that both find the same triangles.
__global__ void __launch_bounds__(kThreads)
    draw_moved_face_kernel(const __grid_constant__ MovedFace face, PhotoPart photo, std::uint8_t* out) {
  SharedMemory smem;
  const TileMemory memory(smem, face.patch_count);
  int &near = memory.counts[0], &mixed = memory.counts[1];
  const int me = threadIdx.x;
  PixelArea tile = face.in_band(face.area, blockIdx.y);
  tile.left += int(blockIdx.x) * kTile;
  if (tile.right > tile.left + kTile) tile.right = tile.left + kTile;
  if (tile.bottom > face.area.bottom) tile.bottom = face.area.bottom;

  if (me == 0) near = 0;
  __syncthreads();  // before the first is counted
  const CellGrid pixels_of_tile(tile, 1);
  for (int p = me; p < face.patch_count; p += kThreads) {
    const Patch& patch = face.patches[p];
    const float a = patch.corner[0].x, b = patch.corner[1].x, c = patch.corner[2].x;
    const bool beside =
        (a < tile.left && b < tile.left && c < tile.left) || (a > tile.right && b > tile.right && c > tile.right);
    if (!beside && pixels_of_tile.meets(patch)) memory.near[atomicAdd(&near, 1)] = std::uint16_t(p);
  }

  const MovedPixels<DevicePhoto> pixels(face, {photo});
  const auto write = [&](int x, int y, const Rgb& colour) {
    std::uint8_t* to = out + (size_t(y - face.area.top) * face.area.width() + (x - face.area.left)) * 3;
    for (int c = 0; c < 3; ++c) to[c] = byte_of(colour[c]);
  };
  const int x = tile.left + me % kTile, y = tile.top + me / kTile;
  const int window = tile.holds(x, y) ? face.window_of(x, y) : -1;
  for (int w = 0; w <= 3; ++w) {
    const CellGrid grid(face.in_band(w < 3 ? face.windows[w] : face.area, blockIdx.y), w < 3 ? kFine : 1);
    const int left = max(grid.area.left, tile.left), right = min(grid.area.right, tile.right), rows = grid.rows();
    if (left >= right || rows <= 0) continue;
    const int first = (left - grid.area.left) * grid.fine, columns = (right - left) * grid.fine;
    __syncthreads();  // all have found their patches, or are done with the map before
    for (int i = me; i < columns * rows; i += kThreads) memory.cells[i] = -1;
    if (me == 0) mixed = 0;
    __syncthreads();  // before a patch is noted
    for (int i = me; i < near * rows; i += kThreads) {
      const int p = memory.near[i / rows], row = i % rows;
      const Patch& patch = face.patches[p];
      const CellGrid::Range crossed = grid.rows_under(patch);
      if (row < crossed.first || row >= crossed.end) continue;
      const CellGrid::Range covered = grid.columns_under(patch, row);
      const int end = min(covered.end - first, columns);
      for (int at = max(covered.first - first, 0); at < end; ++at) atomicMax(&memory.cells[row * columns + at], p);
    }
    __syncthreads();  // every cell has its last patch

    // The triangle under cell k of a pixel.
    const auto triangle = [&](int x, int y, int k) {
      const int row = (y - grid.area.top) * grid.fine + k / kFine, column = (x - left) * grid.fine + k % kFine;
      const int p = memory.cells[row * columns + column];
      return p < 0 ? kNoTriangle : face.patches[p].index;
    };
    const Point middle{float(x) + 0.5f, float(y) + 0.5f};
    if (window == w && w == 3) {
      const std::uint16_t index = triangle(x, y, 0);
      if (pixels.is_still(index)) {
        const std::uint8_t* from = DevicePhoto{photo}.pixel(x, y);
        write(x, y, {float(from[0]), float(from[1]), float(from[2])});
      } else {
        write(x, y, pixels.moved(face.triangles[index], middle));
      }
    }
    if (w == 3) continue;
    if (window == w) {
      using Meeting = MovedPixels<DevicePhoto>::Meeting;
      const Meeting meeting = pixels.meeting([&](int k) { return triangle(x, y, k); });
      if (meeting == Meeting::kStill) write(x, y, pixels.photo(middle));
      if (meeting == Meeting::kSame) write(x, y, pixels.sample(triangle(x, y, kCells / 2), middle));
      if (meeting == Meeting::kMixed) memory.mixed[atomicAdd(&mixed, 1)] = me;
    }
    __syncthreads();  // all mixed pixels are known
    for (int i = me; i < mixed * kCells; i += kThreads) {
      const int pixel = memory.mixed[i / kCells], k = i % kCells;
      const int x = tile.left + pixel % kTile, y = tile.top + pixel / kTile;
      const Rgb share = pixels.share_of_cell(triangle(x, y, k), x, y, k);
      for (int c = 0; c < 3; ++c) memory.shares[3 * i + c] = share[c];
    }
    __syncthreads();  // all shares are there
    for (int i = me; i < mixed; i += kThreads) {
      Rgb sum{};
      for (int k = 0; k < kCells; ++k) {
        for (int c = 0; c < 3; ++c) sum[c] += memory.shares[3 * (i * kCells + k) + c];
      }
      write(tile.left + memory.mixed[i] % kTile, tile.top + memory.mixed[i] / kTile, sum);
    }
  }
}

}  // namespace

void draw_moved_face(const MovedFace& face, const PhotoPart& photo, std::uint8_t* out, cudaStream_t stream) {
  const int W = face.area.width(), H = face.area.height();
  if (W <= 0 || H <= 0) return;
  launch("draw_moved_face", Shape{1, 3, H, W}, draw_moved_face_kernel,
         {.grid = dim3(ceil_div(W, kTile), ceil_div(H, kTile)),
          .block = kThreads,
          .smem = TileMemory::bytes(face.patch_count),
          .stream = stream},
         face, photo, out);
}

}  // namespace emo
