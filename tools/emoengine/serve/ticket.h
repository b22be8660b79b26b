#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <span>

#include "base/error.h"
#include "tools/emoengine/serve/app.h"
#include "tools/emoengine/serve/awaitable.h"
#include "tools/emoengine/serve/byte_stream.h"

namespace emo::serve {

/// A request's way through the server: whose it is, till when it counts, and whether somebody still waits for it. Belongs to
/// one strand.
class Ticket {
 public:
  using Clock = Scheduler::Clock;
  Ticket(App& app, Scheduler::Client client, Clock::time_point deadline) : app_(app), client_(client), deadline_(deadline) {}

  /// Runs work in a pool and comes back to the strand. Throws what it threw, and Error(kCancelled, kTimeout, kBusy).
  Awaitable<> run(Pool& pool, std::function<void()> work);
  Awaitable<> run(std::function<void()> work) { return run(app_.pool, std::move(work)); }
  /// Redraws faces by the engine's scheduler. Throws also the first error of a face.
  Awaitable<> redraw(std::span<FaceJob> jobs);
  /// The next piece of a stream; empty at its end.
  Awaitable<std::string> next(ByteStream& stream);
  /// What is awaited now and whatever is begun later fails with an Error of this kind.
  void cancel(ErrorKind why);
  /// What waits in a queue fails with Error(kCancelled); what has begun is finished and comes back as ever.
  void withdraw() {
    if (interrupt_) interrupt_();
  }
  /// The same, for work that outlives the ticket's request.
  std::shared_ptr<const std::atomic<bool>> stopped() const { return flag_; }
  Scheduler::Client client() const { return client_; }
  Clock::time_point deadline() const { return deadline_; }

 private:
  void check() const;
  template <typename Start>
  Awaitable<> outcome(Start start);

  App& app_;
  const Scheduler::Client client_;
  const Clock::time_point deadline_;
  std::shared_ptr<std::atomic<bool>> flag_ = std::make_shared<std::atomic<bool>>(false);
  std::atomic<bool>& stopped_ = *flag_;
  ErrorKind why_ = ErrorKind::kCancelled;
  std::function<void()> interrupt_;  ///< ends what is awaited now
};

}  // namespace emo::serve
