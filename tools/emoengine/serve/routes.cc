#include "tools/emoengine/serve/routes.h"

#include "base/error.h"
#include "base/text.h"

namespace emo::serve {
namespace {

bool matches(std::string_view pattern, std::string_view path, std::vector<std::string>& names) {
  const auto wanted = split(pattern, '/'), came = split(path, '/');
  if (wanted.size() != came.size()) return false;
  names.clear();
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i] == "*") {
      names.emplace_back(came[i]);
    } else if (wanted[i] != came[i]) {
      return false;
    }
  }
  return true;
}

}  // namespace

const Route& find_route(const std::string& method, const std::string& path, std::vector<std::string>& names) {
  std::string allowed;
  for (const auto routes : {api_routes(), kserve_routes(), about_routes()}) {
    for (const Route& route : routes) {
      if (!matches(route.path, path, names)) continue;
      if (method == route.method || (method == "HEAD" && route.method == std::string_view("GET"))) return route;
      allowed += (allowed.empty() ? "" : ", ") + std::string(route.method);
    }
  }
  if (allowed.empty())
    throw HttpError(404, concat("path: ", printable(path), " is none of this server's; see openapi.json"));
  HttpError error(405, concat("method: ", printable(method), " came; this path takes ", allowed));
  error.response.headers.emplace_back("Allow", allowed);
  throw error;
}

}  // namespace emo::serve
