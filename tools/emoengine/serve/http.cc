#include "tools/emoengine/serve/http.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"

namespace emo::serve {

Response refusal(int status, const std::string& text) {
  Response response{.status = status};
  response.body = nlohmann::json{{"error", text}}.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  if (status == 503 || status == 429) response.headers.emplace_back("Retry-After", "1");
  if (status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer");
  return response;
}

Response response_for(const std::exception_ptr& error, std::string& detail) {
  const auto internal = [&](const char* what) {
    detail = what;
    return refusal(500, "the server failed to answer; its log says more under the id of this request");
  };
  try {
    std::rethrow_exception(error);
  } catch (const HttpError& e) {
    return e.response;
  } catch (const Error& e) {
    switch (e.kind()) {
      case ErrorKind::kUsage:
      case ErrorKind::kInput: return refusal(400, e.what());
      case ErrorKind::kBusy: return refusal(503, "too many requests wait already; ask again later");
      case ErrorKind::kTimeout:
        return refusal(504, "the request took longer than the server allows; ask for less, or later");
      case ErrorKind::kCancelled: return refusal(503, "the request was cancelled; ask again");
      case ErrorKind::kDevice:
      case ErrorKind::kMemory: detail = e.what(); return refusal(503, "the server lacks what this request needs");
      default: return internal(e.what());
    }
  } catch (const std::bad_alloc&) {
    detail = "out of memory";
    return refusal(503, "the server has too little memory now; ask again later");
  } catch (const std::exception& e) {
    return internal(e.what());
  }
}

bool percent_decode(std::string_view text, std::string& decoded) {
  const auto digit = [](char c) {
    return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
  };
  decoded.clear();
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return false;
    const int high = digit(text[i + 1]), low = digit(text[i + 2]);
    if (high < 0 || low < 0 || high + low == 0) return false;
    decoded += char(high * 16 + low);
    i += 2;
  }
  return true;
}

std::map<std::string, std::string> parse_query(std::string_view text) {
  std::map<std::string, std::string> values;
  if (text.empty()) return values;
  for (const auto pair : split(text, '&')) {
    const auto equals = pair.find('=');
    std::string name(pair.substr(0, equals)), value(equals == pair.npos ? "" : pair.substr(equals + 1));
    for (std::string* part : {&name, &value}) {
      std::ranges::replace(*part, '+', ' ');
      std::string decoded;
      if (!percent_decode(*part, decoded))
        throw HttpError(400, "query: '%' stands before what are no two hexadecimal digits");
      *part = decoded;
    }
    values[name] = value;
  }
  return values;
}

}  // namespace emo::serve
