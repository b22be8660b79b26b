#include "tools/emoengine/serve/server.h"

#include <unistd.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <csignal>
#include <future>
#include <list>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/error.h"
#include "tools/emoengine/serve/app.h"
#include "tools/emoengine/serve/connection.h"

namespace emo::serve {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using Code = boost::system::error_code;

constexpr int kIoThreads = 2;
constexpr auto kNotice = std::chrono::seconds(5);  // not ready, but serving, for a load balancer to see it
constexpr auto kDrain = std::chrono::seconds(30);  // from the signal to the end, whatever is still under way

class Server {
 public:
  Server(const Options& options, int log_fd)
      : app_(options, log_fd),
        io_(kIoThreads),
        acceptor_(asio::make_strand(io_)),
        signals_(acceptor_.get_executor()),
        timer_(acceptor_.get_executor()) {
    listen();
    for (const int signal : {SIGTERM, SIGINT}) signals_.add(signal);
  }

  std::string url() const {
    const auto end = acceptor_.local_endpoint();
    const std::string host = end.address().is_v6() ? "[" + end.address().to_string() + "]" : end.address().to_string();
    return "http://" + host + ":" + std::to_string(end.port()) + "/";
  }

  void run(const std::function<std::unique_ptr<const Engine>()>& open_engine) {
    wait_for_signal();
    accept();
    std::exception_ptr failure;
    std::thread opening([&] {
      try {
        engine_ = open_engine();
        app_.generator_ms = measure();
        app_.set_engine(engine_.get());
        app_.log.write("info", {{"message", "ready"},
                                {"backend", engine_->backend().describe()},
                                {"generator_ms", std::round(app_.generator_ms * 10) / 10}});
      } catch (...) {
        failure = std::current_exception();
        asio::post(acceptor_.get_executor(), [this] { end(); });
      }
    });
    std::vector<std::thread> threads;
    for (int i = 1; i < kIoThreads; ++i) threads.emplace_back([this] { io_.run(); });
    io_.run();
    for (auto& thread : threads) thread.join();
    opening.join();
    app_.pool.close();
    app_.clips.close();
    app_.set_engine(nullptr);
    engine_.reset();
    app_.log.write("info", {{"message", "ended"}});
    if (failure) std::rethrow_exception(failure);
  }

 private:
  void listen() {
    const auto refuse = [&](const std::string& why) {
      fail(ErrorKind::kInput, "--host ", app_.options.host, " --port ", app_.options.port, ": cannot listen there: ", why,
           "; choose another, or end what listens there");
    };
    try {
      tcp::resolver resolver(io_);
      const tcp::endpoint end =
          *resolver.resolve(app_.options.host, std::to_string(app_.options.port), tcp::resolver::passive).begin();
      acceptor_.open(end.protocol());
      acceptor_.set_option(tcp::acceptor::reuse_address(true));
      acceptor_.bind(end);
      acceptor_.listen(1024);
    } catch (const boost::system::system_error& e) {
      refuse(e.code().message());
    }
  }

  /// The generator's time for a face alone, ms: the second of two, as the first touches all memory.
  double measure() const {
    const int side = engine_->generator_config().image_size;
    Image crop(side, side);
    std::fill(crop.rgb.begin(), crop.rgb.end(), std::uint8_t(128));
    std::vector<float> after(std::size_t(3) * side * side);
    double ms = 0;
    for (int i = 0; i < 2; ++i) {
      const auto start = std::chrono::steady_clock::now();
      FaceJob job{.photo = crop,
                  .face = {0, 0, float(side)},
                  .is_crop = true,
                  .au = ActionUnits(engine_->generator_config().au_names),
                  .after = after.data()};
      engine_->redraw_all({&job, 1});
      ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    }
    return ms;
  }

  void accept() {
    acceptor_.async_accept(asio::make_strand(io_), [this](Code error, auto socket) {
      if (!acceptor_.is_open()) return;
      if (!error) {
        take(tcp::socket(std::move(socket)));
      } else {  // no descriptors left, say: some will be
        timer_after_error_.expires_after(std::chrono::milliseconds(100));
        return timer_after_error_.async_wait([this](Code) { accept(); });
      }
      accept();
    });
  }

  void take(tcp::socket socket) {
    make_room();
    const auto place = connections_.emplace(connections_.end());
    const auto closed = [this, place] {
      asio::post(acceptor_.get_executor(), [this, place] {
        connections_.erase(place);
        if (ending_ && connections_.empty()) timer_.cancel();
      });
    };
    *place = open_connection(app_, std::move(socket), closed);
  }

  /// Of too many connections the one that has been waited for the longest is closed.
  void make_room() {
    if (int(connections_.size()) < app_.options.max_connections) return;
    std::shared_ptr<Connection> oldest;
    for (const auto& weak : connections_) {
      const auto connection = weak.lock();
      if (!connection || connection->idle_since() == 0) continue;
      if (!oldest || connection->idle_since() < oldest->idle_since()) oldest = connection;
    }
    if (oldest) oldest->retire();
  }

  void wait_for_signal() {
    signals_.async_wait([this](Code error, int signal) {
      if (error) return;
      if (app_.draining.exchange(true)) ::_exit(128 + signal);  // asked twice
      app_.log.write("info", {{"message", "ending"}, {"requests", app_.clients.count()}});
      wait_for_signal();
      kill_timer_.expires_after(kDrain);
      kill_timer_.async_wait([this](Code e) {
        if (!e) abort();
      });
      // A terminal's Ctrl-C is meant for now.
      timer_.expires_after(signal == SIGTERM ? kNotice : std::chrono::seconds(0));
      timer_.async_wait([this](Code) { end(); });
    });
  }

  /// Nobody new; those that are here are answered.
  void end() {
    Code ignored;
    acceptor_.close(ignored);
    ending_ = true;
    for (const auto& weak : connections_) {
      if (const auto connection = weak.lock()) connection->retire();
    }
    timer_.expires_at(asio::steady_timer::time_point::max());
    timer_.async_wait([this](Code) { stop(); });
    if (connections_.empty()) timer_.cancel();
  }

  void abort() {
    app_.log.write("warning",
                   {{"message", "the time to end is over; requests are broken off"}, {"requests", app_.clients.count()}});
    for (const auto& weak : connections_) {
      if (const auto connection = weak.lock()) connection->abort();
    }
  }

  void stop() {
    kill_timer_.cancel();
    signals_.cancel();
  }

  App app_;
  std::unique_ptr<const Engine> engine_;
  asio::io_context io_;
  tcp::acceptor acceptor_;  ///< what is below belongs to its strand
  asio::signal_set signals_;
  asio::steady_timer timer_, kill_timer_{acceptor_.get_executor()}, timer_after_error_{acceptor_.get_executor()};
  std::list<std::weak_ptr<Connection>> connections_;
  bool ending_ = false;
};

}  // namespace

void run(const Options& options, const std::function<std::unique_ptr<const Engine>()>& open_engine, int log_fd,
         const std::function<void(const std::string& url)>& told) {
  Server server(options, log_fd);
  told(server.url());
  server.run(open_engine);
}

}  // namespace emo::serve
