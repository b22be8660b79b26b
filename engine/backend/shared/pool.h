#pragma once

#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace emo {

/// Contexts of calls (activations, a stream, graphs): a call borrows one and gives it back. There are as many as there were
/// calls at the same time, but at most so many; further calls wait. Thread-safe.
template <typename Context>
class Pool {
 public:
  /// A borrowed context; given back at the end of its scope. A call that threw does not give its context back, which is
  /// destroyed: what it left on a stream is unknown.
  class Lease {
   public:
    Lease(Pool& pool, std::unique_ptr<Context> context) : pool_(pool), context_(std::move(context)) {}
    Lease(const Lease&) = delete;
    ~Lease() {
      if (std::uncaught_exceptions() > exceptions_) context_.reset();
      pool_.give_back(std::move(context_));
    }
    Context& operator*() const { return *context_; }
    Context* operator->() const { return context_.get(); }

   private:
    Pool& pool_;
    std::unique_ptr<Context> context_;
    int exceptions_ = std::uncaught_exceptions();
  };

  explicit Pool(int most) : most_(most) {}

  /// A free context, or what make() gives as a std::unique_ptr. While it has one, a call must not borrow a second.
  template <typename Make>
  Lease borrow(const Make& make) {
    auto context = wait();
    try {
      if (!context) context = make();
    } catch (...) {
      give_back(nullptr);
      throw;
    }
    return {*this, std::move(context)};
  }

  /// Makes all that there may be.
  template <typename Make>
  void fill(const Make& make) {
    const std::lock_guard lock(mutex_);
    for (; made_ < most_; ++made_) free_.push_back(make());
  }

 private:
  /// A free context, or null and leave to make one.
  std::unique_ptr<Context> wait() {
    std::unique_lock lock(mutex_);
    given_back_.wait(lock, [this] { return !free_.empty() || made_ < most_; });
    if (free_.empty()) {
      ++made_;
      return nullptr;
    }
    auto context = std::move(free_.back());
    free_.pop_back();
    return context;
  }

  /// Null: it is no more.
  void give_back(std::unique_ptr<Context> context) {
    {
      const std::lock_guard lock(mutex_);
      if (context) {
        free_.push_back(std::move(context));
      } else {
        --made_;
      }
    }
    given_back_.notify_one();
  }

  const int most_;
  std::mutex mutex_;
  std::condition_variable given_back_;
  std::vector<std::unique_ptr<Context>> free_;
  int made_ = 0;
};

}  // namespace emo
