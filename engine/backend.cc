#include "engine/backend.h"

#include "base/error.h"

namespace emo {

const char* name_of(BackendKind kind) {
  switch (kind) {
    case BackendKind::kAuto: return "auto";
    case BackendKind::kCpu: return "cpu";
    case BackendKind::kCuda: return "cuda";
  }
  return "?";
}

const char* name_of(Precision precision) {
  switch (precision) {
    case Precision::kAuto: return "auto";
    case Precision::kFp32: return "fp32";
    case Precision::kTf32: return "tf32";
    case Precision::kBf16: return "bf16";
    case Precision::kFp16: return "fp16";
  }
  return "?";
}

std::unique_ptr<Backend> open_backend(const ModelFile* generator, const ModelFile* speech, const BackendOptions& options) {
  if (options.kind == BackendKind::kCuda) {
    fail(ErrorKind::kDevice, "backend: cuda was asked for, but this build has no CUDA backend; use --backend cpu");
  }
#ifdef EMO_HAVE_CPU
  return open_cpu_backend(generator, speech, options);
#else
  (void)generator, (void)speech;
  fail(ErrorKind::kDevice, "backend: ", name_of(options.kind),
       " was asked for, but this build has no CPU backend (EMO_CPU=OFF); build it with EMO_CPU=ON");
#endif
}

}  // namespace emo
