#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "tools/emoengine/serve/http.h"

namespace emo::serve {

/// "400 text" of the HttpError that a call throws; empty when it throws none.
template <typename Act>
std::string refused(const Act& act) {
  try {
    act();
  } catch (const HttpError& e) {
    return std::to_string(e.response.status) + " " + nlohmann::json::parse(e.response.body)["error"].get<std::string>();
  }
  return "";
}

}  // namespace emo::serve
