// A form as curl -F sends it. The first line is its Content-Type.
#include "tests/fuzz/refusal.h"
#include "tools/emoengine/serve/multipart.h"

using namespace emo::serve;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view body(reinterpret_cast<const char*>(data), size);
  const std::string type = first_line(body);
  taken_or_refused([&] {
    const Form form(type, body);
    for (const Part& part : form.parts()) {
      if (part.name.empty() || form.find(part.name) != &part || !lies_within(part.content, body)) std::abort();
    }
    const double fps = form.number("fps", 25, 1, 60);
    if (!(fps >= 1 && fps <= 60) || form.needed("image").empty()) std::abort();
    form.only({"image", "fps"});
  });
  return 0;
}
