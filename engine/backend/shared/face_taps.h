#pragma once

#include <vector>

#include "base/shape.h"
#include "engine/backend/backend.h"
#include "engine/backend/image.h"
#include "weights/config.h"

/// Which pixels make which when a face is cut out of its photo and put back. The tables are computed in fp64, once for both
/// backends, and are as long as the face's sides: the pixels themselves are the backends' work.
namespace emo {

/// A line resampled: sample i is the sum over begin[i] <= k < begin[i + 1] of weights[k] * source[first[i] + k - begin[i]].
struct Taps {
  std::vector<int> first;      ///< (samples), rising
  std::vector<int> begin;      ///< (samples + 1)
  std::vector<float> weights;  ///< a sample's sum to 1

  int count() const { return int(first.size()); }
  /// What is read of the source: [from(), to()). Needs a sample.
  int from() const { return first.front(); }
  int to() const { return first.back() + begin[first.size()] - begin[first.size() - 1]; }
};

/// Samples first .. first+count-1 of a line resampled in steps of `step`: sample i lies at offset + (i + 0.5) * step, in
/// coordinates where source pixel p covers [p, p+1). What a filter takes outside [0, size) is taken from the edge.
Taps resample(int first, int count, double offset, double step, ResizeFilter filter, int size);

/// How crop() samples a photo: S columns and S rows.
struct CropTaps {
  Taps columns, rows;
};

/// Throws Error(kInternal) for an empty photo, a box without a side or out of reach, and a face that is not (1,3,S,S).
CropTaps crop_taps(const ImageView& photo, const Box& box, const GeneratorConfig& config, const Shape& face);

/// How paste() samples the face for the photo's pixels whose centres lie in the box: W columns from `left`, H rows from
/// `top`. None when the box lies outside the photo.
struct PasteTaps {
  int left = 0, top = 0;
  Taps columns, rows;
  std::vector<float> across, down;  ///< (W), (H): the feather is their product

  int W() const { return columns.count(); }
  int H() const { return rows.count(); }
};

/// Throws as crop_taps does.
PasteTaps paste_taps(const ImageView& photo, const Box& box, const Shape& face);

/// Weight of a paste at distance `d` from the box's border, in sides. A tenth fades, as fast as skin does not show it and
/// late enough for a mouth or brow near the border of a tight box.
double feather(double d);

/// Keys' cubic (1981, a = -0.5), 0 from 2 on: Catmull-Rom.
double cubic(double d);

/// Throws Error(kInternal) for an empty photo, a box without a side or out of reach, and a face that is not (1,3,S,S).
void check_box(const char* where, const ImageView& photo, const Box& box, const Shape& face);

/// Throws Error(kInternal) unless the face before and after and its mask have the same sides.
void check(const FaceChange& face);

}  // namespace emo
