#pragma once

#include <algorithm>
#include <cmath>
#include <string>

#include "base/error.h"
#include "base/tensor.h"
#include "weights/layers.h"

/// What the backends have in common about a call of the face reader.
namespace emo {

/// Throws Error(kInternal) when the shapes of a call do not fit each other and the model.
inline void check_read(const std::vector<LayerSpec>& layers, const Shape& crops, const Shape& answers) {
  Shape in = layers.front().in, out = layers.back().out;
  in.N = out.N = crops.N;
  EMO_CHECK(crops == in, "read: the crops have shape ", crops, "; ", in, " is needed");
  EMO_CHECK(answers == out, "read: the answers have shape ", answers, "; ", out, " is needed");
}

/// Throws Error(kModel) naming the first crop whose answer holds NaN or infinity.
inline void check_finite(TensorView<const float> answers, const std::string& model) {
  const auto found = std::ranges::find_if_not(answers.span(), [](float v) { return std::isfinite(v); });
  if (found == answers.span().end()) return;
  const std::size_t each = answers.count() / std::size_t(answers.shape.N);
  fail(ErrorKind::kModel, "read: crop ", std::size_t(found - answers.span().begin()) / each + 1, " of ", answers.shape.N,
       " was read as NaN or infinity under ", model, "; other weights or another picture are needed");
}

}  // namespace emo
