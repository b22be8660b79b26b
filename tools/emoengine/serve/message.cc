#include "tools/emoengine/serve/message.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "tools/emoengine/serve/http.h"
#include "tools/emoengine/serve/inputs.h"
#include "tools/emoengine/serve/limits.h"

namespace emo::serve {

namespace {

template <typename... Why>
[[noreturn]] void refuse(const Why&... why) {
  throw HttpError(400, concat("message: ", why...));
}

/// Takes the header off.
std::string_view take_header(std::string_view& message) {
  if (message.size() < 4) refuse(message.size(), " bytes came; a length of 4 and a header are needed");
  std::uint32_t length = 0;
  for (int i = 3; i >= 0; --i) length = length << 8 | std::uint8_t(message[std::size_t(i)]);
  message.remove_prefix(4);
  if (length > message.size()) refuse("its header is to have ", length, " bytes, but ", message.size(), " follow");
  const auto header = message.substr(0, length);
  message.remove_prefix(length);
  return header;
}

}  // namespace

nlohmann::json read_message(bool is_text, std::string_view message, std::string_view& payload) {
  const std::string_view header = is_text ? message : take_header(message);
  payload = is_text ? std::string_view() : message;
  // It is read where other connections wait, too.
  if (header.size() > limits::kMaxMessageHeaderBytes) {
    refuse("its header has ", header.size(), " bytes; at most ", limits::kMaxMessageHeaderBytes, " are taken");
  }
  nlohmann::json object = read_json(header, "message");
  if (!object.is_object()) refuse("a JSON object with \"type\" is needed");
  return object;
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
