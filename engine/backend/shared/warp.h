#pragma once

#include "engine/backend/shared/face_setup.h"
#include "engine/backend/shared/turned_face.h"

namespace emo {

/// Draws a face as its mesh says, with the photo's own pixels at the photo's own resolution, into `out`, a picture of its
/// size or the photo itself. All pixels of `out` under the mesh (area_under) are written, the others not.
///
///   skin, eyes  Catmull-Rom of the photo at the place that the triangle's affine map names, where it shrinks the mean of as
///               many as the photo's pixels under the picture's; skin times exp(shade), which is cut to -0.45 .. 0.11
///   lids        the line on which an eye shuts is darkened by lashes
///   mouth       where the skin leaves the opening bare: the photo's own inside where it shows one, else teeth, tongue and
///               cavity, painted in the photo's light and tone
/// Where two of these meet a pixel is the mean of 3 x 3 samples. The same bytes however the rows are shared out; vertices
/// that stay where they are leave the photo's bytes between them. The photo's edge is repeated outside it.
///
/// The arithmetic of a pixel is in kernels/moved_face.h, which CUDA kernels share.
void warp_face(const ImageView& photo, const FaceMesh& mesh, const Tone& tone, const MutableImageView& out,
               const EachRow& rows);

}  // namespace emo
