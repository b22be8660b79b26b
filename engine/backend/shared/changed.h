#pragma once

#include <vector>

#include "base/tensor.h"
#include "weights/config.h"

namespace emo {

/// Where one of the generator's pictures differs from another of the same face, (1,3,S,S) each: (S,S), 0 where they are
/// alike to within 6 of 255 levels, 1 from 24 on. Differences are smoothed before they are judged, and what comes of it
/// after, by Gaussians of 1.5 and 2 pixels at a side of 128.
std::vector<float> changed_part(const GeneratorConfig& config, TensorView<const float> a, TensorView<const float> b);

}  // namespace emo
