#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/images.h"
#include "kernels/moved_face.h"

namespace emo {

/// Draws a face by moving its photo's pixels. What each pixel shows is in kernels/moved_face.h.
///
/// face   with pointers to the device
/// photo  all pixels that the face is drawn from, 8-bit RGB, device; beyond them its edge is repeated
/// out    the pixels of face.area, RGB, row-major, interleaved, device; outside the photo's memory
///
/// Any mesh stays within these, also one with NaN in it. Nothing is launched for an empty area. Throws Error when the launch
/// fails.
void draw_moved_face(const MovedFace& face, const PhotoPart& photo, std::uint8_t* out, cudaStream_t stream);

}  // namespace emo
