#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

/// Messages of the page's WebSocket: a JSON object as text, or in binary a uint32 (little-endian) length, a JSON header of
/// that length, a payload.
namespace emo::serve {

/// Gives the object; `payload` points into the message. Throws HttpError(400) for a length that does not fit or is more than
/// limits::kMaxMessageHeaderBytes, for what is no object, and as read_json() does.
nlohmann::json read_message(bool is_text, std::string_view message, std::string_view& payload);
std::string binary_message(const nlohmann::ordered_json& header, std::string_view payload);

}  // namespace emo::serve
