#include "kernels/common.cuh"
#include "kernels/images.h"
#include "kernels/launch.h"

namespace emo {
namespace {

constexpr int kWidth = 32, kHeight = 8;  // pixels of a block, a thread each

__device__ std::uint8_t* pixel(const PhotoPart& photo, int x, int y) {
  return photo.rgb + (size_t(y - photo.y) * photo.width + (x - photo.x)) * 3;
}

__device__ float clamp(float v, float low, float high) { return fminf(fmaxf(v, low), high); }

// A pixel of the face a thread, both directions at once: neighbours in a warp read neighbouring bytes, so the first level
// cache has what they share, and nothing goes through memory between the two directions. A row is summed before it is
// weighted, as on the CPU.
__global__ void __launch_bounds__(kWidth* kHeight)
    crop_face_kernel(PhotoPart photo, DeviceTaps columns, DeviceTaps rows, PixelFormat format, float* face, int S) {
  const int x = blockIdx.x * kWidth + threadIdx.x, y = blockIdx.y * kHeight + threadIdx.y;
  if (x >= S || y >= S) return;
  const int begin = columns.begin[x], end = columns.begin[x + 1];
  float sum[3] = {};
  for (int r = rows.begin[y]; r < rows.begin[y + 1]; ++r) {
    const std::uint8_t* from = pixel(photo, columns.first[x], rows.first[y] + r - rows.begin[y]);
    float line[3] = {};
    for (int k = begin; k < end; ++k, from += 3) {
      const float w = columns.weights[k];
      for (int c = 0; c < 3; ++c) line[c] += w * from[c];
    }
    for (int c = 0; c < 3; ++c) sum[c] += rows.weights[r] * line[c];
  }
  const float step = (format.high - format.low) / 255.f;
  for (int c = 0; c < 3; ++c) {
    face[(size_t(format.bgr ? 2 - c : c) * S + y) * S + x] = format.low + step * clamp(sum[c], 0.f, 255.f);
  }
}

// A pixel of the photo a thread. Sixteen taps of seven planes would be 112 loads; where a face is enlarged the threads of a
// warp share most of them, and the planes of a face (448 KiB) stay in the second level cache.
__global__ void __launch_bounds__(kWidth* kHeight)
    paste_face_kernel(PhotoPart photo, PasteArea area, DeviceFace face, PixelFormat format) {
  const int x = blockIdx.x * kWidth + threadIdx.x, y = blockIdx.y * kHeight + threadIdx.y;
  if (x >= area.W || y >= area.H) return;
  const float steps = 255.f / (format.high - format.low);
  const int S = face.S, begin = area.columns.begin[x], end = area.columns.begin[x + 1];
  float change[3] = {}, before[3] = {}, mask = 0.f;
  for (int r = area.rows.begin[y]; r < area.rows.begin[y + 1]; ++r) {
    int at = (area.rows.first[y] + r - area.rows.begin[y]) * S + area.columns.first[x];
    float line_change[3] = {}, line_before[3] = {}, line_mask = 0.f;
    for (int k = begin; k < end; ++k, ++at) {
      const float w = area.columns.weights[k];
      for (int c = 0; c < 3; ++c) {
        const int from = (format.bgr ? 2 - c : c) * S * S + at;
        const float b = face.before[from];
        line_change[c] += w * ((face.after[from] - b) * steps);
        line_before[c] += w * ((b - format.low) * steps);
      }
      line_mask += w * (face.mask_keeps_image ? 1.f - face.mask[at] : face.mask[at]);
    }
    const float w = area.rows.weights[r];
    for (int c = 0; c < 3; ++c) {
      change[c] += w * line_change[c];
      before[c] += w * line_before[c];
    }
    mask += w * line_mask;
  }
  const float replaced = clamp(mask, 0.f, 1.f), feather = area.down[y] * area.across[x];
  std::uint8_t* to = pixel(photo, area.left + x, area.top + y);
  for (int c = 0; c < 3; ++c) {
    const float was = to[c], detail = was - before[c];
    to[c] = std::uint8_t(clamp(rintf(was + feather * (change[c] - replaced * detail)), 0.f, 255.f));
  }
}

// A pixel a thread, on all four planes.
__global__ void __launch_bounds__(kWidth* kHeight)
    blend_over_kernel(bool keeps, int N, int plane, float* mask, float* colour, const float* next_mask,
                      const float* next_colour) {
  const int i = blockIdx.x * kWidth * kHeight + threadIdx.x;
  if (i >= N * plane) return;
  const int n = i / plane;
  const float next = keeps ? next_mask[i] : 1.f - next_mask[i];
  const float total = (keeps ? mask[i] : 1.f - mask[i]) * next;
  const float share = total < 1.f ? (1.f - next) / (1.f - total) : 1.f;
  for (int c = 0; c < 3; ++c) {
    const size_t at = size_t(3 * n + c) * plane + (i - n * plane);
    colour[at] += share * (next_colour[at] - colour[at]);
  }
  mask[i] = keeps ? total : 1.f - total;
}

LaunchConfig pixels(int W, int H, cudaStream_t stream) {
  return {.grid = dim3(ceil_div(W, kWidth), ceil_div(H, kHeight)), .block = dim3(kWidth, kHeight), .stream = stream};
}

}  // namespace

void crop_face(const PhotoPart& photo, const DeviceTaps& columns, const DeviceTaps& rows, const PixelFormat& format,
               float* face, int S, cudaStream_t stream) {
  launch("crop_face", Shape{1, 3, S, S}, crop_face_kernel, pixels(S, S, stream), photo, columns, rows, format, face, S);
}

void paste_face(const PhotoPart& photo, const PasteArea& area, const DeviceFace& face, const PixelFormat& format,
                cudaStream_t stream) {
  launch("paste_face", Shape{1, 3, area.H, area.W}, paste_face_kernel, pixels(area.W, area.H, stream), photo, area, face,
         format);
}

void blend_over(bool keeps, int N, int plane, float* mask, float* colour, const float* next_mask, const float* next_colour,
                cudaStream_t stream) {
  constexpr int kThreads = kWidth * kHeight;
  launch("blend_over", Shape{N, 1, 1, plane}, blend_over_kernel,
         {.grid = ceil_div(N * plane, kThreads), .block = kThreads, .stream = stream}, keeps, N, plane, mask, colour,
         next_mask, next_colour);
}

}  // namespace emo
