#pragma once

#include <vector>

#include "base/tensor.h"
#include "engine/backend/image.h"
#include "kernels/tone_curve.h"
#include "weights/config.h"

namespace emo {

/// The light and the tone of a face in its photo. The generator learned from colour photos in ordinary light: it is shown a
/// dark face brighter, and of what it draws on a black-and-white or toned one (sepia, a blue print) the luminance alone is
/// taken, in the photo's own tone. An ordinary photo has a plain tone, which changes nothing.
struct Tone {
  float gain = 1;                 ///< what the photo's values are multiplied by for the network, 1 to 16
  std::vector<ToneColour> curve;  ///< see ToneCurve

  ToneCurve view() const { return {curve.data(), int(curve.size())}; }
  bool plain() const { return gain == 1 && curve.empty(); }

  /// Makes of a face as it was cut, (1,3,S,S), what the network is to see.
  void to_network(const GeneratorConfig& config, TensorView<float> face) const;
  /// Makes of the network's colour image, (1,3,S,S), one in the light and tone of the face as it was cut.
  void from_network(const GeneratorConfig& config, TensorView<const float> face, TensorView<float> colour) const;
};

/// The tone of a face under the box of its crop, from the means of 32 x 32 cells. A photo is toned whose cells keep to one
/// colour for each luminance, as far as JPEG's colour noise lets them. Plain for what crop() refuses: an empty photo, a box
/// that is nowhere. 0.1 ms.
Tone tone_of(const ImageView& photo, const Box& box);

}  // namespace emo
