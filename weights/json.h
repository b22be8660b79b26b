#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "weights/config.h"

namespace emo {

/// Parses UTF-8 JSON and refuses what nlohmann lets pass: duplicate keys, nesting over 32, a NUL byte (nlohmann takes it for
/// the end). Throws Error(kModel) "WHERE: ...". For the .cc files of weights/ only: no JSON type leaves this folder.
nlohmann::json parse_json(std::string_view text, const std::string& where);

/// A config's JSON object, and back; see to_json() and config_from_json(), which are of text.
nlohmann::ordered_json json_of(const ModelConfig& config);
ModelConfig config_of(const nlohmann::json& object, const std::string& where, bool complete);

}  // namespace emo
