#include "engine/backend/backend.h"

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <system_error>

#include "base/error.h"

namespace emo {
namespace {

/// Whether there is a GPU of NVIDIA's, whatever its driver says: as a file of the driver, or among the PCI devices.
[[maybe_unused]] bool has_nvidia_device() {
  namespace fs = std::filesystem;
  std::error_code error;
  if (fs::exists("/dev/nvidia0", error)) return true;
  const auto line_of = [](const fs::path& file) {
    std::string line;
    std::getline(std::ifstream(file) >> std::ws, line);
    return line;
  };
  for (fs::directory_iterator device("/sys/bus/pci/devices", error), end; !error && device != end; device.increment(error)) {
    constexpr std::string_view kNvidia = "0x10de", kDisplay = "0x03";  // the class of GPUs, with a screen or without
    if (line_of(device->path() / "vendor") == kNvidia && line_of(device->path() / "class").starts_with(kDisplay))
      return true;
  }
  return false;
}

}  // namespace

std::unique_ptr<Backend> open_backend(const Models& models, const BackendOptions& options) {
  if (options.kind == BackendKind::kCuda) return open_cuda_backend(models, options);
#ifdef EMO_HAVE_CUDA
  if (options.kind == BackendKind::kAuto) {
    try {
      return open_cuda_backend(models, options);
    } catch (const Error& e) {
#ifdef EMO_HAVE_CPU
      if (e.kind() != ErrorKind::kDevice && e.kind() != ErrorKind::kMemory) throw;
      if (options.note && has_nvidia_device()) {
        const std::string_view why = e.what(), from = "cuda: ";
        options.note(concat("no usable GPU (", why.substr(why.starts_with(from) ? from.size() : 0), "); using the CPU"));
      }
#else
      throw;
#endif
    }
  }
#endif
#ifdef EMO_HAVE_CPU
  return open_cpu_backend(models, options);
#else
  fail(ErrorKind::kDevice, "backend: ", name_of(options.kind),
       " was asked for, but this build has no CPU backend (EMO_CPU=OFF); build it with EMO_CPU=ON");
#endif
}

}  // namespace emo
