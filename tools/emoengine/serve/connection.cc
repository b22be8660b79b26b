#include "tools/emoengine/serve/connection.h"

#include <sys/socket.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket.hpp>
#include <deque>
#include <nlohmann/json.hpp>
#include <random>

#include "tools/emoengine/serve/limits.h"
#include "tools/emoengine/serve/routes.h"
#include "tools/emoengine/serve/session.h"

namespace emo::serve {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;
using asio::ip::tcp;
using Code = boost::system::error_code;
using Clock = Ticket::Clock;

constexpr auto kIdle = std::chrono::seconds(60);       // till a request's first byte
constexpr auto kHead = std::chrono::seconds(10);       // from there to the end of its head
constexpr auto kLastWrite = std::chrono::seconds(10);  // for an answer whose request's time is over
constexpr auto kLinger = std::chrono::seconds(2);      // to let a refused client end its sending and read why
constexpr auto kSilence = std::chrono::seconds(40);    // of a WebSocket; half of it after the last sign it is pinged
constexpr std::size_t kBlock = 1 << 16;

auto with(Code& error) { return asio::redirect_error(asio::use_awaitable, error); }

std::string new_id() {
  static const std::uint64_t start = std::random_device()();
  static std::atomic<std::uint64_t> count = 0;
  char text[32];
  std::snprintf(text, sizeof text, "%08x-%llu", unsigned(start), static_cast<unsigned long long>(++count));
  return text;
}

/// A client's own name for its request, if it is one.
bool is_id(const std::string& id) {
  const auto fits = [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '_' || c == '.'; };
  return !id.empty() && id.size() <= 64 && std::ranges::all_of(id, fits);
}

class HttpConnection final : public Connection, public std::enable_shared_from_this<HttpConnection> {
 public:
  HttpConnection(App& app, tcp::socket socket, std::function<void()> closed)
      : app_(app), stream_(std::move(socket)), closed_(std::move(closed)) {
    Code error;
    const auto remote = stream_.socket().remote_endpoint(error);
    address_ = error ? "" : remote.address().to_string();
    local_ = !error && remote.address().is_loopback();
    stream_.socket().set_option(tcp::no_delay(true), error);
    ++app_.metrics.connections;
  }
  ~HttpConnection() override {
    --app_.metrics.connections;
    closed_();
  }

  void start() {
    asio::co_spawn(
        stream_.get_executor(), [self = shared_from_this()]() -> Awaitable<> { co_await self->run(); }, asio::detached);
  }

  std::int64_t idle_since() const override { return idle_since_; }
  void retire() override {
    asio::post(stream_.get_executor(), [self = shared_from_this()] {
      self->retired_ = true;
      if (self->idle_since_ != 0) self->stream_.close();
      if (self->end_session_) self->end_session_();
    });
  }
  void abort() override {
    asio::post(stream_.get_executor(), [self = shared_from_this()] {
      self->retired_ = true;
      if (self->ticket_) self->ticket_->cancel(ErrorKind::kCancelled);
      if (self->end_session_) self->end_session_();
      self->stream_.close();
    });
  }

 private:
  using Parser = http::request_parser<http::buffer_body>;

  Awaitable<> run() {
    try {
      while (co_await exchange()) {
      }
    } catch (const boost::system::system_error&) {  // the client is gone
    } catch (const std::exception& e) {
      app_.log.write("error", {{"message", "a connection failed"}, {"detail", e.what()}});
    }
    Code ignored;
    stream_.socket().shutdown(tcp::socket::shutdown_both, ignored);
    stream_.close();
  }

  /// A request and its answer. False: the connection is to be closed.
  Awaitable<bool> exchange() {
    Code error;
    const auto now = [] {
      return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now().time_since_epoch()).count();
    };
    if (retired_) co_return false;
    idle_since_ = now();
    if (buffer_.size() == 0) {
      stream_.expires_after(kIdle);
      const auto got = co_await stream_.async_read_some(buffer_.prepare(4096), with(error));
      if (error) co_return false;
      buffer_.commit(got);
    }
    stream_.expires_after(kHead);
    Parser parser;
    parser.header_limit(limits::kMaxHttpHeaderBytes);
    parser.body_limit(limits::kMaxBodyBytes);
    co_await http::async_read_header(stream_, buffer_, parser, with(error));
    idle_since_ = 0;
    began_ = Clock::now();
    request_ = {.id = new_id()};
    endpoint_ = "none";
    if (error) co_return co_await refuse_head(error);
    const auto& head = parser.get();
    keep_alive_ = head.keep_alive() && !retired_;
    http11_ = head.version() >= 11;
    is_head_ = head.method() == http::verb::head;

    Response response;
    bool body_read = false, upgrade = false;
    std::shared_ptr<Charge> charge;
    ticket_ = nullptr;
    std::exception_ptr failure;
    try {
      read_head(head);
      upgrade = websocket::is_upgrade(head) && request_.path == "/v1/session";
      if (upgrade) check_origin();
    } catch (...) {
      failure = std::current_exception();
    }
    if (upgrade && !failure) {
      co_await serve_session(parser);
      co_return false;
    }
    if (!failure) {
      try {
        co_await answer(parser, response, body_read, charge);
      } catch (const boost::system::system_error&) {
        throw;  // of the connection
      } catch (...) {
        failure = std::current_exception();
      }
    }
    std::string detail;
    if (failure) response = response_for(failure, detail);
    if (response.status == 503 && is_device_error(failure)) app_.device_dead = true;
    if (gone_) co_return log(499, 0, detail), false;
    const bool stay = co_await write(response, body_read, detail);
    ticket_ = nullptr;
    co_return stay;
  }

  static bool is_device_error(const std::exception_ptr& failure) {
    try {
      if (failure) std::rethrow_exception(failure);
    } catch (const Error& e) {
      return e.kind() == ErrorKind::kDevice;
    } catch (...) {
    }
    return false;
  }

  /// Not of what was sent.
  static bool is_of_connection(Code error) {
    return error == http::error::end_of_stream || error == http::error::partial_message || error == asio::error::eof ||
           error.category() == boost::system::system_category();
  }

  /// A head that is none, or too long.
  Awaitable<bool> refuse_head(Code error) {
    if (error == beast::error::timeout || is_of_connection(error)) co_return false;
    keep_alive_ = false, http11_ = true, is_head_ = false;
    Response response = error == http::error::header_limit
                            ? refusal(431, concat("head: more than ", limits::kMaxHttpHeaderBytes, " bytes came"))
                        : error == http::error::body_limit ? too_large()
                                                           : refusal(400, "head: what came is no HTTP request");
    co_await write(response, false, "");
    co_return false;
  }

  static Response too_large() {
    return refusal(413, concat("body: more than ", limits::kMaxBodyBytes, " bytes came, the most that are taken"));
  }

  /// Takes what the head says and refuses what must not be answered: other hosts, other pages' requests.
  template <typename Head>
  void read_head(const Head& head) {
    request_.method = std::string(head.method_string());
    for (const auto& field : head) {
      std::string name(field.name_string());
      for (char& c : name) c = char(std::tolower(static_cast<unsigned char>(c)));
      auto& value = request_.headers[name];
      if (!value.empty()) value += ", ";
      value += std::string(field.value());
    }
    if (const std::string id = request_.header("x-request-id"); is_id(id)) request_.id = id;
    const std::string target(head.target());
    const auto question = target.find('?');
    if (!percent_decode(target.substr(0, question), request_.path) || !request_.path.starts_with('/')) {
      throw HttpError(400, "path: what came is none");
    }
    if (question != target.npos) request_.query = parse_query(target.substr(question + 1));
    const bool probe = request_.path.starts_with("/v2/health/");  // a load balancer's names the machine as it likes
    if (!probe && http11_of(head) && !host_allowed(app_.options, request_.header("host"))) {
      throw HttpError(403, concat("Host: '", printable(request_.header("host")),
                                  "' is not a name of this server; its --allowed-host says which are"));
    }
    request_.client = local_ ? 0 : Clients::by_address(address_);
  }
  template <typename Head>
  static bool http11_of(const Head& head) {
    return head.version() >= 11 || head.count(http::field::host) > 0;
  }

  /// Another site's page may not send requests, unless it was allowed to.
  void check_origin() {
    const std::string origin = request_.header("origin");
    allowed_origin_.clear();
    if (origin.empty()) return;
    if (std::ranges::find(app_.options.allowed_origins, origin) != app_.options.allowed_origins.end()) {
      allowed_origin_ = origin;
      return;
    }
    const auto slashes = origin.find("://");
    if (slashes != origin.npos && origin.substr(slashes + 3) == request_.header("host")) return;
    throw HttpError(403,
                    concat("Origin: '", printable(origin), "' may not ask this server; its --allowed-origin says who may"));
  }

  void check_key(const Route& route) {
    if (!app_.clients.keys_needed()) return;
    constexpr std::string_view kBearer = "Bearer ";
    const std::string given = request_.header("authorization");
    const auto client = given.starts_with(kBearer) ? app_.clients.by_key(given.substr(kBearer.size())) : std::nullopt;
    if (client) request_.client = *client;
    if (!client && !route.open) {
      throw HttpError(401, "Authorization: a key of this server is needed, as \"Bearer KEY\"");
    }
  }

  /// `body_read`: the next request may follow.
  Awaitable<> answer(Parser& parser, Response& response, bool& body_read, std::shared_ptr<Charge>& charge) {
    check_origin();
    if (request_.method == "OPTIONS") {
      body_read = parser.is_done();
      response = {.status = 204, .type = ""};
      response.headers = {{"Access-Control-Allow-Methods", "GET, POST, OPTIONS"},
                          {"Access-Control-Allow-Headers", "Authorization, Content-Type, Inference-Header-Content-Length"}};
      co_return;
    }
    std::vector<std::string> names;
    const Route& route = find_route(request_.method, request_.path, names);
    endpoint_ = route.path;
    check_key(route);
    if (route.works && app_.clients.full()) {
      throw HttpError(503, "the server is busy: too many requests wait already; ask again later");
    }
    const auto deadline = began_ + std::chrono::milliseconds(app_.options.timeout_ms);
    charge = std::make_shared<Charge>(app_, 0);
    co_await read_body(parser, deadline, *charge);
    body_read = true;
    place_ = route.works ? std::make_shared<Clients::Place>(app_.clients.enter(request_.client, local_)) : nullptr;
    charge_ = charge;
    ticket_ = std::make_shared<Ticket>(app_, request_.client, deadline);
    asio::steady_timer timer(stream_.get_executor());
    timer.expires_at(deadline);
    timer.async_wait([ticket = ticket_](Code error) {
      if (!error) ticket->cancel(ErrorKind::kTimeout);
    });
    watch();
    Call call{app_, request_, *ticket_, std::move(names)};
    std::exception_ptr failure;
    try {
      response = co_await route.answer(call);
      if (response.stream) first_piece_ = co_await ticket_->next(*response.stream);
    } catch (...) {
      failure = std::current_exception();
    }
    unwatch();
    if (!failure && response.stream) co_return;
    place_ = nullptr;
    if (!failure) co_return;
    if (response.stream) response.stream->abandon();
    std::rethrow_exception(failure);
  }

  Awaitable<> read_body(Parser& parser, Clock::time_point deadline, Charge& charge) {
    Code error;
    if (parser.is_done()) co_return;
    if (request_.header("expect") == "100-continue") {
      http::response<http::empty_body> go(http::status::continue_, 11);
      co_await http::async_write(stream_, go, asio::use_awaitable);
    }
    // Not by the stream's own clock, which closes it: the client is to be told.
    stream_.expires_never();
    const auto late = std::make_shared<bool>(false);
    asio::steady_timer timer(stream_.get_executor(), deadline);
    timer.async_wait([self = shared_from_this(), late](Code error) {
      if (error) return;
      *late = true;
      self->stream_.cancel();
    });
    std::string block(kBlock, '\0');
    while (!parser.is_done()) {
      parser.get().body() = {block.data(), block.size(), true};
      co_await http::async_read_some(stream_, buffer_, parser, with(error));
      if (error == http::error::need_buffer) error = {};
      if (error == http::error::body_limit) throw HttpError(413, response_text(too_large()));
      if (*late) throw HttpError(408, "body: it took longer to come than the server allows");
      if (error && is_of_connection(error)) throw boost::system::system_error(error);
      if (error) throw HttpError(400, "body: what came is not in the form that its head says");
      const std::size_t got = block.size() - parser.get().body().size;
      charge.grow(got);
      request_.body.append(block, 0, got);
    }
  }
  static std::string response_text(const Response& response) { return nlohmann::json::parse(response.body)["error"]; }

  /// Cancels the request when the client closes.
  void watch() {
    watched_ = ticket_;
    stream_.socket().async_wait(tcp::socket::wait_read, [self = shared_from_this(), ticket = ticket_](Code error) {
      if (error || self->watched_ != ticket) return;
      char byte = 0;
      const ssize_t got = ::recv(self->stream_.socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
      if (got > 0 || (got < 0 && errno == EAGAIN)) return;  // the next request came early
      self->gone_ = true;
      ticket->cancel(ErrorKind::kCancelled);
    });
  }
  void unwatch() {
    watched_ = nullptr;
    Code ignored;
    stream_.socket().cancel(ignored);
  }

  template <typename Message>
  void set_head(Message& message, const Response& response) {
    message.version(http11_ ? 11 : 10);
    message.result(unsigned(response.status));
    message.keep_alive(keep_alive_);
    if (!response.type.empty()) message.set(http::field::content_type, response.type);
    message.set("X-Request-Id", request_.id);
    message.set("X-Content-Type-Options", "nosniff");
    if (!allowed_origin_.empty()) {
      message.set(http::field::access_control_allow_origin, allowed_origin_);
      message.set(http::field::vary, "Origin");
    }
    message.set(http::field::cache_control, "no-store");
    for (const auto& [name, value] : response.headers) message.set(name, value);
  }

  /// False: the connection is to be closed.
  Awaitable<bool> write(Response& response, bool body_read, const std::string& detail) {
    keep_alive_ = keep_alive_ && body_read && !retired_;
    const auto deadline = began_ + std::chrono::milliseconds(app_.options.timeout_ms);
    stream_.expires_at(std::max(deadline, Clock::now() + kLastWrite));
    if (response.stream) {
      const auto stream = response.stream;
      const auto place = std::exchange(place_, nullptr);
      bool whole = false;
      std::size_t sent = 0;
      try {
        whole = co_await write_stream(response, sent);
      } catch (const boost::system::system_error&) {
        gone_ = true;
      }
      stream->abandon();
      charge_ = nullptr;
      log(gone_ ? 499 : whole ? response.status : 500, sent, whole || gone_ ? "" : "the answer broke off");
      co_return whole&& keep_alive_;
    }
    http::response<http::string_body> message;
    set_head(message, response);
    message.body() = std::move(response.body);
    if (response.status != 204 && response.status != 304) message.prepare_payload();
    const std::size_t size = message.body().size();
    if (is_head_) message.body().clear();
    request_.body = {};
    charge_ = nullptr;
    Code error;
    co_await http::async_write(stream_, message, with(error));
    log(response.status, size, detail);
    if (error) co_return false;
    if (!body_read) co_await linger();
    co_return keep_alive_;
  }

  /// False: it broke off midway.
  Awaitable<bool> write_stream(const Response& response, std::size_t& sent) {
    http::response<http::empty_body> message;
    set_head(message, response);
    if (http11_) message.chunked(true);
    if (!http11_) keep_alive_ = false, message.keep_alive(false);
    http::response_serializer<http::empty_body> serializer(message);
    co_await http::async_write_header(stream_, serializer, asio::use_awaitable);
    const auto most = std::chrono::milliseconds(app_.options.timeout_ms);
    std::string piece = std::move(first_piece_);
    while (!piece.empty()) {
      stream_.expires_after(most);
      if (http11_) {
        co_await asio::async_write(stream_, http::make_chunk(asio::buffer(piece)), asio::use_awaitable);
      } else {
        co_await asio::async_write(stream_, asio::buffer(piece), asio::use_awaitable);
      }
      sent += piece.size();
      asio::steady_timer timer(stream_.get_executor());
      timer.expires_after(most);
      timer.async_wait([ticket = ticket_](Code error) {
        if (!error) ticket->cancel(ErrorKind::kTimeout);
      });
      watch();
      std::exception_ptr failure;
      try {
        piece = co_await ticket_->next(*response.stream);
      } catch (...) {
        failure = std::current_exception();
      }
      unwatch();
      if (failure) {
        std::string detail;
        response_for(failure, detail);
        co_return false;  // without the last chunk, so that the client sees that it is not whole
      }
    }
    if (http11_) co_await asio::async_write(stream_, http::make_chunk_last(), asio::use_awaitable);
    co_return true;
  }

  /// Lets the client end its sending: closing before would make its system throw the answer away.
  Awaitable<> linger() {
    Code error;
    stream_.socket().shutdown(tcp::socket::shutdown_send, error);
    stream_.expires_after(kLinger);
    std::string block(kBlock, '\0');
    while (!error) co_await stream_.async_read_some(asio::buffer(block), with(error));
  }

  void log(int status, std::size_t sent, const std::string& detail) {
    const double seconds = std::chrono::duration<double>(Clock::now() - began_).count();
    app_.metrics.answered(endpoint_, status, seconds);
    nlohmann::ordered_json line{{"id", request_.id},
                                {"client", address_},
                                {"method", printable(request_.method, 20)},
                                {"path", printable(request_.path, 200)},
                                {"status", status},
                                {"ms", std::round(seconds * 1e4) / 10},
                                {"bytes", sent}};
    if (!detail.empty()) line["detail"] = printable(detail, 1000);
    app_.log.write(status >= 500 && status != 503 ? "error" : "info", line);
  }

  // ---- WebSocket

  using WebSocket = websocket::stream<beast::tcp_stream&>;

  Awaitable<> serve_session(Parser& parser) {
    stream_.expires_never();
    WebSocket socket(stream_);
    socket.set_option(websocket::stream_base::timeout{kHead, kSilence, true});
    socket.read_message_max(limits::kMaxBodyBytes + kBlock);
    socket.auto_fragment(false);
    Code error;
    co_await socket.async_accept(parser.get(), with(error));
    if (error) co_return;
    log(101, 0, "");
    Outbox outbox{socket, asio::steady_timer(stream_.get_executor(), asio::steady_timer::time_point::max())};
    const auto self = shared_from_this();
    const auto send = [&](bool text, std::string message) {
      outbox.bytes += message.size();
      outbox.messages.emplace_back(text, std::move(message));
      if (outbox.sending || outbox.broken) return;
      outbox.sending = true;
      asio::co_spawn(
          stream_.get_executor(), [&outbox]() -> Awaitable<> { co_await send_all(outbox); }, asio::detached);
    };
    const auto session = std::make_shared<Session>(app_, request_.client, stream_.get_executor(), send);
    bool ending = false;
    end_session_ = [&] {
      ending = true;
      stream_.socket().shutdown(tcp::socket::shutdown_receive, error);
    };
    if (retired_) end_session_();
    beast::flat_buffer buffer;
    bool refused = false;
    while (!error && !ending) {
      co_await socket.async_read(buffer, with(error));
      if (error) break;
      std::string message = beast::buffers_to_string(buffer.data());
      buffer.consume(buffer.size());
      if (buffer.capacity() > (1 << 20)) buffer.shrink_to_fit();
      std::exception_ptr failure;
      try {
        const Charge charge(app_, message.size());
        refused = !co_await session->receive(socket.got_text(), std::move(message));
      } catch (...) {
        failure = std::current_exception();
      }
      if (failure) {
        std::string detail;
        send(true,
             nlohmann::json{{"type", "error"}, {"id", 0}, {"error", response_text(response_for(failure, detail))}}.dump());
      }
      if (refused) break;
      while (!outbox.broken && outbox.bytes > limits::kMaxUnsentBytes) co_await outbox.wait();
    }
    end_session_ = nullptr;
    session->close();
    while (session->open() > 0 || outbox.sending) {
      if (error) stream_.close();
      co_await outbox.wait(std::chrono::milliseconds(20));
    }
    if (error || outbox.broken) co_return;
    const auto why = ending ? websocket::close_code::going_away : websocket::close_code::policy_error;
    stream_.expires_after(kLinger);
    co_await socket.async_close(why, with(error));
  }

  /// Messages on their way to a WebSocket's client.
  struct Outbox {
    WebSocket& socket;
    asio::steady_timer changed;  ///< cancelled when something was sent
    std::deque<std::pair<bool, std::string>> messages = {};
    std::size_t bytes = 0;
    bool sending = false, broken = false;

    Awaitable<> wait(Clock::duration at_most = std::chrono::hours(1)) {
      Code ignored;
      changed.expires_after(at_most);
      co_await changed.async_wait(with(ignored));
    }
  };

  static Awaitable<> send_all(Outbox& outbox) {
    Code error;
    while (!outbox.messages.empty() && !error) {
      const auto message = std::move(outbox.messages.front());
      outbox.messages.pop_front();
      outbox.socket.text(message.first);
      co_await outbox.socket.async_write(asio::buffer(message.second), with(error));
      outbox.bytes -= message.second.size();
      outbox.changed.cancel();
    }
    if (error) outbox.broken = true;
    outbox.sending = false;
    outbox.changed.cancel();
  }

  App& app_;
  beast::tcp_stream stream_;
  const std::function<void()> closed_;
  std::string address_;
  bool local_ = false;
  beast::flat_buffer buffer_;
  std::atomic<std::int64_t> idle_since_ = 0;
  std::atomic<bool> retired_ = false;
  std::function<void()> end_session_;
  // Of the request that is being answered:
  Request request_;
  Clock::time_point began_;
  std::string endpoint_;  ///< its route's path
  bool keep_alive_ = false, http11_ = true, is_head_ = false, gone_ = false;
  std::string allowed_origin_, first_piece_;
  std::shared_ptr<Ticket> ticket_, watched_;
  std::shared_ptr<Charge> charge_;
  std::shared_ptr<const Clients::Place> place_;
};

}  // namespace

bool host_allowed(const Options& options, std::string_view host) {
  std::string name(host);
  for (char& c : name) c = char(std::tolower(static_cast<unsigned char>(c)));
  if (name.starts_with('[')) {
    name = name.substr(1, name.find(']') - 1);
  } else if (const auto colon = name.find(':'); colon != name.npos) {
    name.resize(colon);
  }
  if (name == "localhost" || name == options.host) return true;
  if (std::ranges::find(options.allowed_hosts, name) != options.allowed_hosts.end()) return true;
  // A page of a rebound name sends that name, never an address.
  Code error;
  const auto address = asio::ip::make_address(name, error);
  return !error && (address.is_loopback() || !asio::ip::make_address(options.host, error).is_loopback());
}

std::shared_ptr<Connection> open_connection(App& app, tcp::socket socket, std::function<void()> closed) {
  auto connection = std::make_shared<HttpConnection>(app, std::move(socket), std::move(closed));
  connection->start();
  return connection;
}

}  // namespace emo::serve
