#include "kernels/common.cuh"
#include "kernels/heads.h"
#include "kernels/launch.h"
#include "kernels/operands.cuh"

namespace emo {
namespace {

constexpr int kThreads = 256;

__device__ std::uint8_t to_byte(float v) {  // [-1,1] to 0..255, to nearest
  return std::uint8_t(__float2int_rn(fminf(fmaxf(fmaf(v, 127.5f, 127.5f), 0.f), 255.f)));
}

// A thread a pixel. Of the 128 bytes of sums of a pixel each of its K neighbours reads 16: the first level cache has them.
__global__ void __launch_bounds__(kThreads) heads_kernel(const float* sums, int H, int W, int K, HeadPictures p) {
  const int pixel = blockIdx.x * kThreads + threadIdx.x, HW = H * W;
  bool finite = true;
  ptx::start_after_the_kernels_before();
  if (pixel < HW) {
    const int x = pixel % W, C = padded_channels(4 * K);
    const float* row = sums + (size_t(blockIdx.y) * HW + pixel - x) * C;
    float4 v = {0.f, 0.f, 0.f, 0.f};
    for (int kx = max(0, K / 2 - x); kx < min(K, W + K / 2 - x); ++kx) {
      const float4 term = load_4(row + size_t(x + kx - K / 2) * C + 4 * kx);
      v = {v.x + term.x, v.y + term.y, v.z + term.z, v.w + term.w};
    }
    const float mask = 1.f / (1.f + expf(-v.w));
    const float keep = p.mask_keeps_image ? mask : 1.f - mask;
    const float before[3] = {v.x, v.y, v.z};
    if (p.mask) p.mask[size_t(blockIdx.y) * HW + pixel] = mask;
    finite = isfinite(v.w);
    for (int o = 0; o < 3; ++o) {
      const size_t at = (size_t(blockIdx.y) * 3 + o) * HW + pixel;
      const float colour = tanhf(before[o]), blend = keep * p.face[at] + (1.f - keep) * colour;
      if (p.colour) p.colour[at] = colour;
      p.out[at] = blend;
      if (p.rgb) p.rgb[(size_t(blockIdx.y) * HW + pixel) * 3 + o] = to_byte(blend);
      finite = finite && isfinite(before[o]) && isfinite(blend);  // tanh and sigmoid would hide an infinity
    }
  }
  if (__any_sync(kAllLanes, !finite) && lane_id() == 0) atomicOr(p.not_finite + blockIdx.y, 1u);
}

}  // namespace

ConvShape head_conv(int N, int C, int H, int W, int K) {
  return {N, H, W, padded_channels(C), padded_channels(4 * K), K, 1, 1, K / 2, 0};
}

std::vector<float> head_conv_weights(std::span<const float> colour, std::span<const float> mask, int C, int K) {
  EMO_CHECK(colour.size() == 3 * mask.size() && mask.size() == std::size_t(C) * K * K, "heads: ", colour.size(),
            " weights for colour and ", mask.size(), " for the mask; (3,", C, ",", K, ",", K, ") and (1,", C, ",", K, ",", K,
            ") are needed");
  std::vector<float> weights(4 * mask.size());
  for (int kx = 0; kx < K; ++kx) {
    for (int o = 0; o < 4; ++o) {
      const float* from = o < 3 ? colour.data() + std::size_t(o) * C * K * K : mask.data();
      for (int i = 0; i < C * K; ++i) weights[std::size_t(4 * kx + o) * C * K + i] = from[std::size_t(i) * K + kx];
    }
  }
  return weights;
}

void heads(const float* sums, int N, int H, int W, int K, const HeadPictures& pictures, cudaStream_t stream) {
  EMO_CHECK(K > 0 && K % 2 == 1, "heads: a kernel of ", K, "x", K, " has no middle; an odd one is needed");
  if (Shape{N, 3, H, W}.count() == 0) return;
  launch("heads", Shape{N, 3, H, W}, heads_kernel,
         {.grid = dim3(ceil_div(H * W, kThreads), N), .block = kThreads, .early = true, .stream = stream}, sums, H, W, K,
         pictures);
}

}  // namespace emo
