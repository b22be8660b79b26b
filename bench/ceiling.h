#pragma once

#include "engine/backend/backend.h"

namespace emo {

/// The most that this machine does in a second.
struct Ceiling {
  double flops = 0;  ///< of a large matrix product, random operands in this precision
  double bytes = 0;  ///< read and written by a large copy
};

/// Measured on the first call for a backend and precision and kept; from before the first benchmark it is in the report's
/// context.
/// Throws Error(kDevice) for a backend that is not in this build.
const Ceiling& ceiling(BackendKind backend, Precision precision);

Ceiling measure_cpu(Precision precision);
Ceiling measure_cuda(Precision precision);

}  // namespace emo
