#pragma once

#include "engine/backend/backend.h"

/// What redrawing a face takes beside the network, on the host.
namespace emo {

/// Adds a pass's blend to that of the passes before: mask (N,1,H,W) and colour (N,3,H,W) go on to give what was drawn last
/// from the face as it was cut. `keeps`: a mask is the share of the face that is kept, not of the colour.
void blend_over(bool keeps, const Shape& shape, float* mask, float* colour, const float* next_mask,
                const float* next_colour);

/// Copies the photo's pixels inside the job's box to where the face will be put back, if that is another picture.
void restore_box(const RedrawJob& job, int side);

}  // namespace emo
