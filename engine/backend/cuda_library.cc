#include <dlfcn.h>

#include "base/error.h"
#include "engine/backend/backend.h"
#include "engine/installation.h"

namespace emo {

std::unique_ptr<Backend> open_cuda_backend(const Models& models, const BackendOptions& options) {
  // A machine without a driver is told from one with by a small library, before the large ones of CUDA are loaded.
  if (options.kind == BackendKind::kAuto && !::dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL)) {
    fail(ErrorKind::kDevice, "cuda: no NVIDIA driver is installed here (", ::dlerror(), ")");
  }
  using Open = Backend* (*)(const Models&, const BackendOptions&);
  const auto open = reinterpret_cast<Open>(
      open_plugin(plugin_path("libemo_cuda.so"), "emo_cuda_v1", "cuda: the CUDA backend",
                  "Install CUDA's cuBLAS and cuFFT, configure with -DEMO_CUDA=ON and build, or use `backend` cpu"));
  return std::unique_ptr<Backend>(open(models, options));
}

}  // namespace emo
