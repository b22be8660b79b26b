#include <dlfcn.h>

#include "base/error.h"
#include "engine/backend/backend.h"

namespace emo {

std::unique_ptr<Backend> open_cuda_backend(const ModelFile* generator, const ModelFile* speech,
                                           const BackendOptions& options) {
  // A machine without a driver is told from one with by a small library, before the large ones of CUDA are loaded.
  if (options.kind == BackendKind::kAuto && !::dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL)) {
    fail(ErrorKind::kDevice, "cuda: no NVIDIA driver is installed here (", ::dlerror(), ")");
  }
  // Never closed: the backend's code is in it.
  void* library = ::dlopen("libemo_cuda.so", RTLD_LAZY | RTLD_LOCAL);
  void* opener = library ? ::dlsym(library, "emo_open_cuda") : nullptr;
  if (!opener) {
    fail(ErrorKind::kDevice, "cuda: this build has no CUDA backend that can be loaded (", ::dlerror(),
         "); install CUDA's cuBLAS and cuFFT, configure with -DEMO_CUDA=ON and build, or use --backend cpu");
  }
  using Open = Backend* (*)(const ModelFile*, const ModelFile*, const BackendOptions&);
  return std::unique_ptr<Backend>(reinterpret_cast<Open>(opener)(generator, speech, options));
}

}  // namespace emo
