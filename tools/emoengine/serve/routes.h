#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tools/emoengine/serve/http.h"
#include "tools/emoengine/serve/ticket.h"

namespace emo::serve {

/// A request that is being answered.
struct Call {
  App& app;
  const Request& request;
  Ticket& ticket;
  std::vector<std::string> names = {};  ///< what stands for each * of the route's path

  /// Of the client's form, whose names these are.
  bool accepts(std::string_view type) const { return request.header("accept").find(type) != std::string::npos; }
};

struct Route {
  const char* method;
  const char* path;  ///< a * is one name
  bool open;         ///< needs no key
  bool works;        ///< takes a place in the queue
  Awaitable<Response> (*answer)(Call&);
};

std::span<const Route> api_routes();     // api.cc: v1/run ...
std::span<const Route> kserve_routes();  // kserve.cc: v2 ...
std::span<const Route> about_routes();   // about.cc: health, metrics, the page

/// Throws HttpError(404) for a path that there is not, HttpError(405) for another method.
const Route& find_route(const std::string& method, const std::string& path, std::vector<std::string>& names);

}  // namespace emo::serve
