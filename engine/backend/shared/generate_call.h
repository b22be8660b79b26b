#pragma once

#include "base/error.h"
#include "engine/backend/backend.h"

/// What the backends have in common about a call of the generator.
namespace emo {

/// Throws Error(kInternal) when the shapes of a call do not fit each other and the model.
inline void check(const GenerateCall& call, const GeneratorConfig& config) {
  const Shape& s = call.faces.shape;
  const Shape au_shape{s.N, int(config.au_names.size()), 1, 1}, mask_shape{s.N, 1, s.H, s.W};
  EMO_CHECK(s.C == 3 && s.H == s.W, "generate: the faces have shape ", s, "; (N,3,S,S) is needed");
  EMO_CHECK(call.aus.shape == au_shape, "generate: the AUs have shape ", call.aus.shape, "; ", au_shape, " is needed");
  EMO_CHECK(call.out.shape == s, "generate: the output has shape ", call.out.shape, "; ", s, " is needed");
  EMO_CHECK(!call.mask.data || call.mask.shape == mask_shape, "generate: the mask has shape ", call.mask.shape, "; ",
            mask_shape, " is needed");
  EMO_CHECK(!call.colour.data || call.colour.shape == s, "generate: the colour has shape ", call.colour.shape, "; ", s,
            " is needed");
  EMO_CHECK(call.errors.empty() || call.errors.size() == std::size_t(s.N), "generate: ", call.errors.size(), " errors for ",
            s.N, " images");
  EMO_CHECK(!call.sink || s.N == 1, "generate: layers can be watched for 1 image, not for ", s.N);
}

/// Says that image n, from 0, of a call came out with NaN or infinity in this precision: to the image's own error, or, where
/// the call takes none, by throwing Error(kModel).
inline void refuse_not_finite(const GenerateCall& call, int n, const std::string& model, const std::string& precision) {
  const Error error(
      ErrorKind::kModel,
      concat("generate: image ", n + 1, " of ", call.faces.shape.N, " came out with NaN or infinity under ", model, " in ",
             precision, precision == "fp32" ? "; other weights or another picture are needed" : "; try `precision` fp32"));
  if (call.errors.empty()) throw error;
  call.errors[std::size_t(n)] = std::make_exception_ptr(error);
}

}  // namespace emo
