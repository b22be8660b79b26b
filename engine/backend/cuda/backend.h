#pragma once

#include <memory>

#include "engine/backend/backend.h"

namespace emo {

/// What libemo_cuda.so opens; see open_cuda_backend(). Throws Error(kDevice) that says what is missing: a driver, a newer
/// one, a GPU, compute capability 8.0.
/// Once the GPU has failed (an error that the CUDA runtime never forgets), every call throws Error(kDevice) that says so,
/// and describe() does.
std::unique_ptr<Backend> make_cuda_backend(const Models& models, const BackendOptions& options);

}  // namespace emo
