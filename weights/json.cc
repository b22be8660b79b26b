#include "weights/json.h"

#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "base/error.h"
#include "base/limits.h"

namespace emo {

nlohmann::json parse_json(std::string_view text, const std::string& where) {
  using nlohmann::json;
  if (const auto nul = text.find('\0'); nul != text.npos) {
    fail(ErrorKind::kModel, where, ": is not valid JSON: NUL byte at ", nul);
  }
  std::vector<std::set<std::string>> keys;  // of every object that is open
  const auto inspect = [&](int depth, json::parse_event_t event, json& parsed) {
    using Event = json::parse_event_t;
    if ((event == Event::object_start || event == Event::array_start) && depth >= limits::kMaxJsonDepth) {
      fail(ErrorKind::kModel, where, ": JSON is nested deeper than ", limits::kMaxJsonDepth);
    }
    if (event == Event::object_start) keys.emplace_back();
    if (event == Event::object_end) keys.pop_back();
    if (event == Event::key && !keys.back().insert(parsed.get<std::string>()).second) {
      fail(ErrorKind::kModel, where, ": key '", printable(parsed.get<std::string>()), "' stands there twice");
    }
    return true;
  };
  try {
    return json::parse(text, inspect);
  } catch (const json::exception& e) {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: ..."
    const std::string_view what = e.what();
    fail(ErrorKind::kModel, where, ": is not valid JSON: ", printable(what.substr(what.find("] ") + 2), 200));
  }
}

}  // namespace emo
