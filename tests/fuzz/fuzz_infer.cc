// The body of a KServe request. The first line is "ENCODING JSON_BYTES", each may be empty, as its headers have it.
#include <cmath>
#include <optional>

#include "tests/fuzz/refusal.h"
#include "tools/emoengine/serve/tensors.h"

using namespace emo::serve;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string line = first_line(text);
  const auto blank = line.find(' ');
  const std::string encoding = line.substr(0, blank);
  std::optional<std::string> json_bytes;
  if (blank != line.npos && blank + 1 < line.size()) json_bytes = line.substr(blank + 1);
  taken_or_refused([&] {
    const InferRequest request = parse_infer(decompressed(text, encoding), json_bytes);
    for (const InputTensor& input : request.inputs) {
      std::size_t count = 1;
      for (const auto side : input.shape) count *= std::size_t(side);
      if (input.values.size() != count) std::abort();
      for (const float value : input.values) {
        if (!std::isfinite(value)) std::abort();
      }
    }
    std::optional<std::size_t> json_size;
    const std::string answer = write_infer("generator", request, {{"face", {2}, {0.5f, 1}}}, json_size);
    if (json_size && *json_size + 2 * sizeof(float) != answer.size()) std::abort();
  });
  return 0;
}
