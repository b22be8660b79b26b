#include "weights/json.h"

#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "base/error.h"
#include "base/limits.h"

namespace emo {

namespace {

using nlohmann::json;

/// Looks at what nlohmann lets pass, and builds nothing. A callback of json::parse() could look as well, but nlohmann 3.11
/// then goes through an array anew for every object in it: 16 s for 144,000 of them.
class Inspector : public nlohmann::json_sax<json> {
 public:
  explicit Inspector(const std::string& where) : where_(where) {}

  bool start_object(std::size_t) override {
    keys_.emplace_back();
    return enter();
  }
  bool key(std::string& name) override {
    if (!keys_.back().insert(name).second) {
      fail(ErrorKind::kModel, where_, ": key '", printable(name), "' stands there twice");
    }
    return true;
  }
  bool end_object() override {
    keys_.pop_back();
    return leave();
  }
  bool start_array(std::size_t) override { return enter(); }
  bool end_array() override { return leave(); }

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(std::int64_t) override { return true; }
  bool number_unsigned(std::uint64_t) override { return true; }
  bool number_float(double, const std::string&) override { return true; }
  bool string(std::string&) override { return true; }
  bool binary(json::binary_t&) override { return true; }
  /// json::parse() says it.
  bool parse_error(std::size_t, const std::string&, const json::exception&) override { return false; }

 private:
  bool enter() {
    if (depth_++ >= limits::kMaxJsonDepth) {
      fail(ErrorKind::kModel, where_, ": JSON is nested deeper than ", limits::kMaxJsonDepth);
    }
    return true;
  }
  bool leave() {
    --depth_;
    return true;
  }

  const std::string& where_;
  int depth_ = 0;
  std::vector<std::set<std::string>> keys_;  ///< of every object that is open
};

}  // namespace

nlohmann::json parse_json(std::string_view text, const std::string& where) {
  if (const auto nul = text.find('\0'); nul != text.npos) {
    fail(ErrorKind::kModel, where, ": is not valid JSON: NUL byte at ", nul);
  }
  Inspector inspector(where);
  json::sax_parse(text, &inspector);
  try {
    return json::parse(text);
  } catch (const json::exception& e) {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: ..."
    const std::string_view what = e.what();
    fail(ErrorKind::kModel, where, ": is not valid JSON: ", printable(what.substr(what.find("] ") + 2), 200));
  }
}

}  // namespace emo
