#pragma once

#include <string>

#include "engine/expression/au_curve.h"

namespace emo {

/// What is asked of a face over what its voice gives:
///
///   au = clamp(intensity * voice + emotion), then the edits, each clamped to [0,1].
///
/// Without a voice it starts from the neutral face.
struct Expression {
  double intensity = 1;  ///< at least 0
  std::string emotion;   ///< prototypes to add, as parse_emotions reads them; empty: none
  std::string au;        ///< edits, as AuEdits reads them; empty: none

  /// Throws Error(kUsage) quoting what cannot be read; whether it can does not depend on the voice's values.
  ActionUnits over(const ActionUnits& voice) const;
  /// The same for every row.
  void apply(AuCurve& voice) const;
};

}  // namespace emo
