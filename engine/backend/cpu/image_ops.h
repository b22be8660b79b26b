#pragma once

#include "base/tensor.h"
#include "engine/backend/backend.h"
#include "engine/backend/cpu/thread_pool.h"
#include "engine/backend/image.h"
#include "weights/config.h"

namespace emo {

/// See Backend::crop: cuts `box` out of the photo and resamples it with config.resize_filter into (1,3,S,S), planar, in
/// the config's range and channel order. Pixel i of the face is centred at box.x + (i + 0.5) * side / S.
///   area      the mean of what a face pixel covers, as cv2.INTER_AREA; bilinear when enlarging
///   bilinear  a triangle of two face pixels' width when shrinking, of two photo pixels' when enlarging
///   bicubic   Catmull-Rom (a = -0.5) of four; what it overshoots of 0..255 is cut
/// The photo's edge is repeated outside it. Costs as much as the box is large, whatever the photo's size.
void crop_face(const ImageView& photo, const Box& box, const GeneratorConfig& config, TensorView<float> face,
               ThreadPool& pool);

/// See Backend::paste. With k the share of the colour image (1 - mask where the mask keeps the image), all resampled to the
/// box's own resolution with Catmull-Rom:  photo += feather * (after - before - k * (photo - before)).
/// That is the network's blend at the photo's resolution: where it drew, the photo's detail goes too (else teeth would shine
/// through closed lips); where it left the face alone the photo keeps its bytes. The feather is 1 inside and falls as a
/// smoothstep over the outer tenth of the side to 0 at the border.
void paste_face(const MutableImageView& photo, const Box& box, const GeneratorConfig& config, const FaceChange& face,
                ThreadPool& pool);

}  // namespace emo
