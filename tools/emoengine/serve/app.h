#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "tools/emoengine/serve/log.h"
#include "tools/emoengine/serve/metrics.h"
#include "tools/emoengine/serve/options.h"

namespace emo::serve {

/// Runs work on a bounded number of threads; clients take turns as in the scheduler of faces, whose class it is.
class Pool {
 public:
  Pool(int threads, int max_queue);

  /// `done` is called once, from any thread, with what the work threw, and must not throw. Throws Error(kBusy) when too much
  /// waits already.
  std::shared_ptr<Scheduler::Request> start(std::function<void()> work, std::function<void(std::exception_ptr)> done,
                                            Scheduler::Client client, Scheduler::Clock::time_point deadline);
  void close() { scheduler_.close(); }

 private:
  Scheduler scheduler_;
};

/// Who may ask: the keys of the file, and how many requests each client has under way.
class Clients {
 public:
  /// Throws Error(kInput) naming the file when it cannot be read, holds no key or one that is too short.
  explicit Clients(const Options& options);

  bool keys_needed() const { return !keys_.empty(); }
  /// The client that sends this key; compared in constant time. Nothing when nobody does.
  std::optional<Scheduler::Client> by_key(const std::string& key) const;
  static Scheduler::Client by_address(const std::string& address);

  /// A request that is under way, counted till it is destroyed.
  class Place {
   public:
    Place() = default;
    Place(Clients* clients, Scheduler::Client client) : clients_(clients), client_(client) {}
    Place(Place&& other) noexcept : clients_(std::exchange(other.clients_, nullptr)), client_(other.client_) {}
    Place& operator=(Place&&) = delete;
    ~Place();

   private:
    Clients* clients_ = nullptr;
    Scheduler::Client client_ = 0;
  };
  /// Throws HttpError(503) when the server has no room for more, HttpError(429) when the client has too many. `local`: the
  /// client is on this machine.
  Place enter(Scheduler::Client client, bool local);
  /// Whether there is room for nobody now.
  bool full() const { return count_ >= max_queue_; }
  int count() const { return count_; }

 private:
  const int max_queue_, max_per_client_;
  std::vector<std::string> keys_;  ///< SHA-256 of each
  std::mutex mutex_;
  std::map<Scheduler::Client, int> of_client_;  ///< under mutex_; none is 0
  std::atomic<int> count_ = 0;
};

/// How long inferences took, for the statistics of KServe's models.
struct ModelStats {
  std::atomic<std::uint64_t> succeeded = 0, failed = 0, inferences = 0;  ///< requests, requests, rows of their batches
  std::atomic<std::uint64_t> ns = 0, failed_ns = 0, input_ns = 0, infer_ns = 0, output_ns = 0;
  std::atomic<std::uint64_t> last_ms = 0;  ///< since 1970
};

/// What all requests share.
struct App {
  explicit App(const Options& options, int log_fd);

  const Options options;
  Log log;
  Metrics metrics;
  Clients clients;
  Pool pool;                                 ///< what ends soon: reads a photo, finds faces, encodes
  Pool clips;                                ///< animations, which may take minutes
  std::atomic<std::int64_t> body_bytes = 0;  ///< see Charge

  /// Null while the models are opened.
  const Engine* engine() const { return engine_.load(); }
  /// Throws HttpError(503) while the models are opened.
  const Engine& needed_engine() const;
  bool ready() const { return engine() && !draining && !device_dead; }
  void set_engine(const Engine* engine) { engine_ = engine; }

  std::atomic<bool> draining = false, device_dead = false;
  std::atomic<double> generator_ms = 0;      ///< a face alone, measured at the start
  std::map<std::string, ModelStats> models;  ///< never gets another key

 private:
  std::atomic<const Engine*> engine_ = nullptr;
};

/// Memory that a client's data takes, out of limits::kMaxBodiesBytes for all.
class Charge {
 public:
  /// Throws HttpError(503) when there is too little left.
  Charge(App& app, std::size_t bytes) : app_(app) { grow(bytes); }
  ~Charge() { app_.body_bytes -= bytes_; }
  Charge(const Charge&) = delete;
  Charge& operator=(const Charge&) = delete;
  void grow(std::size_t bytes);

 private:
  App& app_;
  std::int64_t bytes_ = 0;
};

}  // namespace emo::serve
