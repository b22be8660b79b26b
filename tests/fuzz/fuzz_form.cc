#include <cstdint>
#include <string_view>

#include "tools/emoengine/serve/http.h"
#include "tools/emoengine/serve/multipart.h"

/// The first line is a request's Content-Type, the rest its body.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto line = input.find('\n');
  if (line == input.npos) return 0;
  try {
    const emo::serve::Form form(input.substr(0, line), input.substr(line + 1));
    for (const auto& part : form.parts()) form.number(part.name, 1, 0, 10);
  } catch (const emo::serve::HttpError&) {
  }
  return 0;
}
