#pragma once

#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>

#include "tools/emoengine/serve/app.h"

namespace emo::serve {

/// A client's connection: HTTP requests one after the other, perhaps a WebSocket at last. Lives as long as it is open.
class Connection {
 public:
  virtual ~Connection() = default;
  /// When the client was last waited for, to send a request's head; 0 while one is answered. Milliseconds of some clock.
  virtual std::int64_t idle_since() const = 0;
  /// Closes it, at once if no request is being answered, else after that. From any thread.
  virtual void retire() = 0;
  /// Closes it at once, cancelling what is answered.
  virtual void abort() = 0;
};

/// Serves a client till one of both closes; `closed` is called then.
std::shared_ptr<Connection> open_connection(App& app, boost::asio::ip::tcp::socket socket, std::function<void()> closed);

/// Host names that requests may be sent to: this machine's, those of the options, and addresses if all may connect.
bool host_allowed(const Options& options, std::string_view host);

}  // namespace emo::serve
