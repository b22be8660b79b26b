#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/scheduler.h"

/// Requests and answers, without the library that carries them.
namespace emo::serve {

class ByteStream;

struct Request {
  std::string id;      ///< the log's name for it
  std::string method;  ///< GET, POST ...
  std::string path;    ///< decoded, without the query
  std::map<std::string, std::string> query;
  std::map<std::string, std::string> headers;  ///< by their names in small letters
  std::string body;
  Scheduler::Client client = 0;  ///< whose turn it is; 0: nobody's but its own

  /// Empty: there is none.
  std::string header(const std::string& name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? "" : found->second;
  }
};

struct Response {
  int status = 200;
  std::string type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::shared_ptr<ByteStream> stream = nullptr;  ///< what follows, of unknown length; `body` is empty then
};

/// {"error": text} with a status.
Response refusal(int status, const std::string& text);

/// A refusal with a status of its own; others are told by the kind of their Error.
class HttpError : public std::exception {
 public:
  HttpError(int status, std::string text) : response(refusal(status, text)) {}
  const char* what() const noexcept override { return "refused"; }
  Response response;
};

/// The answer for what a handler threw, and whether the server is to blame; `detail` receives what only the log may tell.
Response response_for(const std::exception_ptr& error, std::string& detail);

/// "%C3%A9+" is "é+". Nothing when a % is followed by anything but two hexadecimal digits, or by 00.
bool percent_decode(std::string_view text, std::string& decoded);
/// "a=1&b=2", decoded; '+' is a blank.
std::map<std::string, std::string> parse_query(std::string_view text);

}  // namespace emo::serve
