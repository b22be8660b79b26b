#include <nlohmann/json.hpp>

#include "base/version.h"
#include "tools/emoengine/serve/page.h"
#include "tools/emoengine/serve/routes.h"

/// How the server is: health, metrics, its description, the page.
namespace emo::serve {
namespace {

constexpr const char* kPagePolicy =
    "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob: data:; worker-src 'self' blob:; "
    "connect-src 'self' ws: wss: blob: data:; frame-ancestors 'self'; base-uri 'none'; form-action 'self'";

Awaitable<Response> live(Call&) { co_return Response{.body = "{}"}; }

Awaitable<Response> ready(Call& call) {
  if (call.app.ready()) co_return Response{.body = "{}"};
  co_return refusal(503, call.app.draining      ? "the server is about to end"
                         : call.app.device_dead ? "the device failed; the server must be restarted"
                                                : "the models are still being opened");
}

Awaitable<Response> metrics(Call& call) {
  Response response{.type = "text/plain; version=0.0.4; charset=utf-8", .body = call.app.metrics.text()};
  std::string& text = response.body;
  const auto add = [&](const char* name, const char* type, const char* help, auto value) {
    text += metric_head(name, type, help) + concat(name, ' ', value, '\n');
  };
  add("emoengine_ready", "gauge", "1 when requests are taken.", int(call.app.ready()));
  add("emoengine_log_lines_left_out_total", "counter", "Lines that the log's reader was too slow for.",
      call.app.log.dropped());
  add("emoengine_client_data_bytes", "gauge", "Memory held for clients.", call.app.body_bytes.load());
  if (const Engine* engine = call.app.engine()) {
    const auto counts = engine->counts();
    add("emoengine_faces_waiting", "gauge", "Faces that wait for the generator.", counts.waiting);
    add("emoengine_faces_running", "gauge", "Faces that the generator draws.", counts.running);
    text += metric_head("emoengine_faces_total", "counter", "Faces by outcome.");
    const std::pair<const char*, std::uint64_t> outcomes[] = {{"done", counts.done},
                                                              {"failed", counts.failed},
                                                              {"cancelled", counts.cancelled},
                                                              {"timed_out", counts.timed_out},
                                                              {"refused", counts.refused}};
    for (const auto& [name, count] : outcomes) text += concat("emoengine_faces_total{outcome=\"", name, "\"} ", count, '\n');
    text += metric_head("emoengine_batches_total", "counter", "Batches of the generator by their faces.");
    for (std::size_t n = 1; n < counts.batches.size(); ++n) {
      text += concat("emoengine_batches_total{faces=\"", n, "\"} ", counts.batches[n], '\n');
    }
  }
  co_return response;
}

Response page_file(const Call& call, std::string_view name) {
  for (const PageFile& file : page_files()) {
    if (file.name != name) continue;
    Response response;
    const auto ends = [&](const char* ending) { return name.ends_with(ending); };
    response.type = ends(".html")                 ? "text/html; charset=utf-8"
                    : ends(".css")                ? "text/css; charset=utf-8"
                    : ends(".js") || ends(".mjs") ? "text/javascript; charset=utf-8"
                    : ends(".svg")                ? "image/svg+xml"
                    : ends(".png")                ? "image/png"
                    : ends(".jpg")                ? "image/jpeg"
                    : ends(".ico")                ? "image/x-icon"
                    : ends(".json")               ? "application/json"
                    : ends(".webmanifest")        ? "application/manifest+json"
                    : ends(".flac")               ? "audio/flac"
                    : ends(".wav")                ? "audio/wav"
                                                  : "application/octet-stream";
    const std::string tag = concat('"', file.hash.substr(0, 32), '"');
    response.headers = {{"ETag", tag}, {"Cache-Control", "no-cache"}, {"Content-Security-Policy", kPagePolicy}};
    if (call.request.header("if-none-match") == tag) {
      response.status = 304;
    } else {
      response.body = file.data;
    }
    return response;
  }
  throw HttpError(404, concat("path: ", printable(name), " is no file of the page"));
}

/// What is no WebSocket's: those are answered by their connection.
Awaitable<Response> session(Call&) {
  Response response =
      refusal(426, "path: /v1/session is the page's WebSocket; 'Upgrade: websocket' is needed, see docs/serve.md");
  response.headers.emplace_back("Upgrade", "websocket");
  co_return response;
}

Awaitable<Response> openapi(Call& call) { co_return page_file(call, "openapi.json"); }
Awaitable<Response> index(Call& call) { co_return page_file(call, "index.html"); }
Awaitable<Response> file(Call& call) { co_return page_file(call, call.names[0]); }

constexpr Route kRoutes[] = {
    {"GET", "/v2/health/live", true, false, live},  {"GET", "/v2/health/ready", true, false, ready},
    {"GET", "/v1/session", true, false, session},   {"GET", "/metrics", false, false, metrics},
    {"GET", "/openapi.json", true, false, openapi}, {"GET", "/", true, false, index},
    {"GET", "/page/*", true, false, file},          {"GET", "/*", true, false, file},
};

}  // namespace

std::span<const Route> about_routes() { return kRoutes; }

}  // namespace emo::serve
