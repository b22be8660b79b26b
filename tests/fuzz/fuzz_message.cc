// A binary message of the page.
#include <nlohmann/json.hpp>

#include "tests/fuzz/refusal.h"
#include "tools/emoengine/serve/inputs.h"
#include "tools/emoengine/serve/message.h"
#include "weights/config.h"

using namespace emo::serve;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view message(reinterpret_cast<const char*>(data), size);
  taken_or_refused([&] {
    std::string_view payload, again;
    const nlohmann::json header = read_message(false, message, payload);
    if (!lies_within(payload, message)) std::abort();
    const std::string written = binary_message(header, payload);
    if (read_message(false, written, again) != header || again != payload) std::abort();
    read_aus(header.value("aus", nlohmann::json()), emo::default_au_names());
  });
  return 0;
}
