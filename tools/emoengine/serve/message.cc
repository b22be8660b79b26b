#include "tools/emoengine/serve/message.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "tools/emoengine/serve/http.h"
#include "tools/emoengine/serve/inputs.h"

namespace emo::serve {

nlohmann::json read_header(std::string_view message, std::string_view& payload) {
  if (message.size() < 4) {
    throw HttpError(400, concat("message: ", message.size(), " bytes came; a length of 4 and a header are needed"));
  }
  std::uint32_t length = 0;
  for (int i = 3; i >= 0; --i) length = length << 8 | std::uint8_t(message[std::size_t(i)]);
  if (length > message.size() - 4) {
    throw HttpError(400, concat("message: its header is to have ", length, " bytes, but ", message.size() - 4, " follow"));
  }
  payload = message.substr(4 + std::size_t(length));
  return read_json(message.substr(4, length), "message");
}

std::string binary_message(const nlohmann::ordered_json& header, std::string_view payload) {
  const std::string text = header.dump();
  std::string message;
  message.reserve(4 + text.size() + payload.size());
  for (int i = 0; i < 4; ++i) message += char(text.size() >> 8 * i & 0xFF);
  message += text;
  message += payload;
  return message;
}

}  // namespace emo::serve
