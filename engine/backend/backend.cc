#include "engine/backend/backend.h"

#include "base/error.h"

namespace emo {

std::unique_ptr<Backend> open_backend(const ModelFile* generator, const ModelFile* speech, const BackendOptions& options) {
  if (options.kind == BackendKind::kCuda) return open_cuda_backend(generator, speech, options);
#ifdef EMO_HAVE_CUDA
  if (options.kind == BackendKind::kAuto) {
    try {
      return open_cuda_backend(generator, speech, options);
    } catch (const Error& e) {
#ifdef EMO_HAVE_CPU
      if (e.kind() != ErrorKind::kDevice) throw;
      if (options.note) options.note(concat("the processor computes, for want of a GPU: ", e.what()));
#else
      throw;
#endif
    }
  }
#endif
#ifdef EMO_HAVE_CPU
  return open_cpu_backend(generator, speech, options);
#else
  fail(ErrorKind::kDevice, "backend: ", name_of(options.kind),
       " was asked for, but this build has no CPU backend (EMO_CPU=OFF); build it with EMO_CPU=ON");
#endif
}

}  // namespace emo
