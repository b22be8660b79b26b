#include "tools/emoengine/serve/ticket.h"

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace emo::serve {

namespace asio = boost::asio;

void Ticket::check() const {
  if (stopped_) fail(why_, "the request ended before its work was done");
}

void Ticket::cancel(ErrorKind why) {
  if (stopped_) return;
  why_ = why;
  stopped_ = true;
  if (interrupt_) interrupt_();
}

/// start(done) begins something that calls done(error) from any thread, and gives what interrupts it.
template <typename Start>
Awaitable<> Ticket::outcome(Start start) {
  check();
  co_await asio::async_initiate<const asio::use_awaitable_t<>, void(std::exception_ptr)>(
      [&](auto handler) {
        struct Resume {
          decltype(handler) call;
          bool done = false;
        };
        const auto executor = asio::get_associated_executor(handler);
        const auto resume = std::make_shared<Resume>(Resume{std::move(handler)});
        const auto done = [executor, resume](std::exception_ptr error) {
          asio::post(executor, [resume, error] {
            if (!std::exchange(resume->done, true)) resume->call(error);
          });
        };
        try {
          interrupt_ = start(done);
        } catch (...) {
          done(std::current_exception());
        }
      },
      asio::use_awaitable);
  interrupt_ = nullptr;
  check();
}

Awaitable<> Ticket::run(Pool& pool, std::function<void()> work) {
  return outcome([this, &pool, work = std::move(work)](const auto& done) -> std::function<void()> {
    const auto request = pool.start(work, done, client_, deadline_);
    return [request] { request->cancel(); };
  });
}

Awaitable<> Ticket::redraw(std::span<FaceJob> jobs) {
  const Engine& engine = app_.needed_engine();
  for (FaceJob& job : jobs) job.deadline = deadline_;
  co_await outcome([&](const auto& done) -> std::function<void()> {
    const auto request = engine.submit(
        jobs, [done] { done(nullptr); }, client_);
    return [request] { request->cancel(); };
  });
  for (const FaceJob& job : jobs) {
    if (job.error) std::rethrow_exception(job.error);
  }
}

Awaitable<std::string> Ticket::next(ByteStream& stream) {
  while (true) {
    std::optional<std::string> piece;
    co_await outcome([&](const auto& done) -> std::function<void()> {
      piece = stream.take([done] { done(nullptr); });
      if (piece) {
        done(nullptr);
        return nullptr;
      }
      return [done, &stream] {
        stream.abandon();
        done(nullptr);
      };
    });
    if (piece) co_return *piece;
  }
}

}  // namespace emo::serve
