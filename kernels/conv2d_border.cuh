#pragma once

#include <cuda_runtime.h>

/// Which of its biases an output pixel gets: see ConvEpilogue.
namespace emo {

/// 0 .. B-1 from the start, B inside, B+1 .. 2B to the end.
__device__ inline int border_class(int i, int size, int B) { return i < B ? i : i >= size - B ? i - size + 2 * B + 1 : B; }

/// The row of ConvEpilogue::bias, of C_out values, for pixel (y,x) of an output of H x W.
__device__ inline size_t bias_class(int image, int y, int x, int H, int W, int B) {
  const int side = 2 * B + 1;
  return B == 0 ? 0 : (size_t(image) * side + border_class(y, H, B)) * side + border_class(x, W, B);
}

}  // namespace emo
