#include "tools/emoengine/serve/metrics.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"

namespace emo::serve {

std::string metric_head(const std::string& name, const char* type, const char* help) {
  return concat("# HELP ", name, ' ', help, "\n# TYPE ", name, ' ', type, '\n');
}

void Metrics::answered(const std::string& endpoint, int status, double seconds) {
  const std::lock_guard lock(mutex_);
  ++answers_[{endpoint, status}];
  Durations& of = durations_[endpoint];
  for (std::size_t i = 0; i < std::size(kBounds); ++i) of.below[i] += seconds <= kBounds[i];
  ++of.count;
  of.sum += seconds;
}

std::string Metrics::text() const {
  const std::lock_guard lock(mutex_);
  std::string text = metric_head("emoengine_requests_total", "counter", "Requests that were answered.");
  for (const auto& [key, count] : answers_) {
    text += concat("emoengine_requests_total{endpoint=\"", key.first, "\",status=\"", key.second, "\"} ", count, '\n');
  }
  text += metric_head("emoengine_request_seconds", "histogram", "Time from a request's head to its answer's last byte.");
  for (const auto& [endpoint, of] : durations_) {
    const std::string label = concat("{endpoint=\"", endpoint, "\"");
    for (std::size_t i = 0; i < std::size(kBounds); ++i) {
      text += concat("emoengine_request_seconds_bucket", label, ",le=\"", kBounds[i], "\"} ", of.below[i], '\n');
    }
    text += concat("emoengine_request_seconds_bucket", label, ",le=\"+Inf\"} ", of.count, '\n');
    text += concat("emoengine_request_seconds_sum", label, "} ", of.sum, '\n');
    text += concat("emoengine_request_seconds_count", label, "} ", of.count, '\n');
  }
  const auto gauge = [&](const char* name, const char* help, auto value) {
    text += metric_head(name, "gauge", help) + concat(name, ' ', value, '\n');
  };
  gauge("emoengine_connections", "Open connections.", connections.load());
  gauge("emoengine_sessions", "Open WebSocket sessions.", sessions.load());
  gauge("emoengine_requests_in_flight", "Requests that wait or are worked on.", in_flight.load());
  std::uint64_t pages = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  gauge("process_resident_memory_bytes", "Resident memory.", resident * std::uint64_t(::sysconf(_SC_PAGESIZE)));
  std::error_code error;
  const auto descriptors = std::filesystem::directory_iterator("/proc/self/fd", error);
  gauge("process_open_fds", "Open file descriptors.", std::distance(begin(descriptors), end(descriptors)));
  return text;
}

}  // namespace emo::serve
