#pragma once

#include <cuda_runtime.h>

#include <cstdint>

/// A face out of its photo and back into it, on the device. Which pixels make which is in tables made on the host
/// (engine/backend/shared/face_taps.h); the formulas are those of engine/backend/cpu/image_ops.h, the sums in the same
/// order.
namespace emo {

/// A line resampled, device: sample i is the sum over begin[i] <= k < begin[i + 1] of weights[k] * source[first[i] + k -
/// begin[i]], in this order.
struct DeviceTaps {
  const int *first, *begin;
  const float* weights;
};

/// A rectangle of an 8-bit RGB photo, row-major, interleaved, device: its first pixel is the photo's (x, y).
struct PhotoPart {
  std::uint8_t* rgb;
  int x, y, width, height;
};

/// How a model's pixels stand for 0..255.
struct PixelFormat {
  float low, high;  ///< what 0 and 255 are to the model
  bool bgr;         ///< the first plane is blue
};

/// face[c,y,x] = low + (high - low) / 255 * clamp(sum over rows and columns of the photo, 0, 255)
///
/// columns, rows  S samples each, in the photo's coordinates; all that they read lies in the part.
/// face           (1,3,S,S) fp32, device.
/// Throws Error when the launch fails.
void crop_face(const PhotoPart& photo, const DeviceTaps& columns, const DeviceTaps& rows, const PixelFormat& format,
               float* face, int S, cudaStream_t stream);

/// A face before and after the generator, device.
struct DeviceFace {
  const float *before, *after;  ///< (1,3,S,S)
  const float* mask;            ///< (1,1,S,S)
  int S;
  bool mask_keeps_image;
};

/// The photo's pixels that a face is put back on: W x H from (left, top) in the photo's coordinates, inside the part.
struct PasteArea {
  int left, top, W, H;
  DeviceTaps columns, rows;    ///< W and H samples of the face's S columns and rows
  const float *across, *down;  ///< (W), (H), device: the feather is their product
};

/// photo += feather * (after - before - k * (photo - before)), with k = 1 - mask where the mask keeps the image, else mask.
/// In place; rounded to nearest, ties to even. Throws Error when the launch fails.
void paste_face(const PhotoPart& photo, const PasteArea& area, const DeviceFace& face, const PixelFormat& format,
                cudaStream_t stream);

/// Adds a pass's blend to that of the passes before it, so that one blend over the face as it was cut gives what was drawn
/// last. With k the share of the face that a mask keeps (mask where `keeps`, else 1 - mask):
///
///   total = k * k_next,   colour += (1 - k_next) / (1 - total) * (next_colour - colour),   k = total
///
/// mask, next_mask (N,1,H,W) and colour, next_colour (N,3,H,W) fp32, device, planes of H*W; mask and colour in place.
/// Throws Error when the launch fails.
void blend_over(bool keeps, int N, int plane, float* mask, float* colour, const float* next_mask, const float* next_colour,
                cudaStream_t stream);

}  // namespace emo
