#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace emo {

/// Parses UTF-8 JSON and refuses what nlohmann lets pass: duplicate keys, nesting over 32, a NUL byte (nlohmann takes it for
/// the end). Throws Error(kModel) "WHERE: ...". For the .cc files of weights/ only: no JSON type leaves this folder.
nlohmann::json parse_json(std::string_view text, const std::string& where);

}  // namespace emo
