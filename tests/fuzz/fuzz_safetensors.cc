// The weight file's reader, and the config in its metadata: neither may do anything but read or throw Error.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "base/error.h"
#include "weights/config.h"
#include "weights/layers.h"
#include "weights/model_file.h"
#include "weights/safetensors.h"

using namespace emo;

namespace {

/// Reads every tensor that the reader let through, so that a range outside the file would be seen.
void read_all(const SafeTensors& file) {
  for (const auto& [name, tensor] : file.tensors()) {
    if (!is_floating(tensor.dtype)) continue;
    if (file.floats(name, tensor.shape).size() != tensor.count()) std::abort();
  }
}

/// A config that is accepted comes back from its own text and describes a network.
void read_config(const std::string& json) {
  const ModelConfig config = config_from_json(json, "fuzz", false);
  if (config_from_json(to_json(config), "fuzz", true) != config) std::abort();
  if (const auto* generator = std::get_if<GeneratorConfig>(&config)) {
    if (generator_tensors(*generator).empty()) std::abort();
  } else if (tensors_of(config).empty()) {
    std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const SafeTensors file(std::as_bytes(std::span(data, size)), "fuzz");
    read_all(file);
    if (file.metadata().contains(ModelFile::kMetadataKey)) read_config(file.metadata().at(ModelFile::kMetadataKey));
  } catch (const Error&) {
  }
  return 0;
}
