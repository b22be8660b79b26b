#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

/// Binary messages of the page's WebSocket: a uint32 (little-endian) length, a JSON header of that length, a payload.
namespace emo::serve {

/// Gives the header; `payload` points into the message. Throws HttpError(400) for a length that does not fit, and as
/// read_json() does.
nlohmann::json read_header(std::string_view message, std::string_view& payload);
std::string binary_message(const nlohmann::ordered_json& header, std::string_view payload);

}  // namespace emo::serve
