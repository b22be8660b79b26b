#pragma once

#include <exception>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace emo {

/// Contexts of calls (a stream, activations, graphs): a call borrows one and gives it back, so there are as many as there
/// were calls at the same time. Thread-safe.
template <typename Context>
class Pool {
 public:
  /// A borrowed context; given back at the end of its scope. A call that threw keeps its context out of the pool: what it
  /// left on the stream is unknown.
  class Lease {
   public:
    Lease(Pool& pool, std::unique_ptr<Context> context) : pool_(pool), context_(std::move(context)) {}
    Lease(const Lease&) = delete;
    ~Lease() {
      if (std::uncaught_exceptions() == exceptions_) pool_.give_back(std::move(context_));
    }
    Context& operator*() const { return *context_; }
    Context* operator->() const { return context_.get(); }

   private:
    Pool& pool_;
    std::unique_ptr<Context> context_;
    int exceptions_ = std::uncaught_exceptions();
  };

  /// A free context, or what make() gives as a std::unique_ptr.
  template <typename Make>
  Lease borrow(const Make& make) {
    {
      const std::lock_guard lock(mutex_);
      if (!free_.empty()) {
        auto context = std::move(free_.back());
        free_.pop_back();
        return {*this, std::move(context)};
      }
    }
    return {*this, make()};
  }

 private:
  void give_back(std::unique_ptr<Context> context) {
    const std::lock_guard lock(mutex_);
    free_.push_back(std::move(context));
  }

  std::mutex mutex_;
  std::vector<std::unique_ptr<Context>> free_;
};

}  // namespace emo
