#include <cstdint>
#include <string_view>

#include "tools/emoengine/serve/http.h"
#include "tools/emoengine/serve/tensors.h"

/// The first line is the header Inference-Header-Content-Length, the rest a body, also taken as gzip.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace emo::serve;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto line = input.find('\n');
  if (line == input.npos) return 0;
  const std::string_view body = input.substr(line + 1);
  try {
    const InferRequest request = parse_infer(body, std::string(input.substr(0, line)));
    std::optional<std::size_t> json_bytes;
    std::vector<OutputTensor> outputs;
    for (const auto& tensor : request.inputs) outputs.push_back({tensor.name, tensor.shape, tensor.values});
    write_infer("m", request, outputs, json_bytes);
  } catch (const HttpError&) {
  }
  try {
    decompressed(body, "gzip");
  } catch (const HttpError&) {
  }
  return 0;
}
