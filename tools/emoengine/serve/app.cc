#include "tools/emoengine/serve/app.h"

#include <nettle/memops.h>
#include <nettle/sha2.h>

#include <algorithm>
#include <fstream>
#include <thread>
#include <tuple>

#include "base/error.h"
#include "base/text.h"
#include "tools/emoengine/serve/http.h"
#include "tools/emoengine/serve/limits.h"

namespace emo::serve {
namespace {

using Task = std::function<void()>;

std::string digest(const std::string& text) {
  sha256_ctx context;
  sha256_init(&context);
  sha256_update(&context, text.size(), reinterpret_cast<const std::uint8_t*>(text.data()));
  std::string out(SHA256_DIGEST_SIZE, '\0');
  sha256_digest(&context, out.size(), reinterpret_cast<std::uint8_t*>(out.data()));
  return out;
}

int processors() { return std::max(1, int(std::thread::hardware_concurrency())); }

}  // namespace

Pool::Pool(int threads, int max_queue)
    : scheduler_({.max_batch = 1, .max_queue = max_queue, .max_contexts = threads},
                 [](std::span<Scheduler::Item* const> items) {
                   for (Scheduler::Item* item : items) {
                     try {
                       (*static_cast<Task*>(item->job))();
                     } catch (...) {
                       item->error = std::current_exception();
                     }
                   }
                 }) {}

std::shared_ptr<Scheduler::Request> Pool::start(Task work, std::function<void(std::exception_ptr)> done,
                                                Scheduler::Client client, Scheduler::Clock::time_point deadline) {
  struct Call {
    Task work;
    Scheduler::Item item;
  };
  const auto call = std::make_shared<Call>(Call{std::move(work), {}});
  call->item = {.job = &call->work, .deadline = deadline};
  return scheduler_.submit(
      {&call->item, 1}, [call, done = std::move(done)] { done(call->item.error); }, client);
}

Clients::Clients(const Options& options) : max_queue_(options.max_queue), max_per_client_(options.max_per_client) {
  if (options.api_key_file.empty()) return;
  std::ifstream file(options.api_key_file);
  if (!file) fail(ErrorKind::kInput, options.api_key_file, ": cannot be read; a file with a key a line is needed");
  for (std::string line; std::getline(file, line);) {
    const std::string key(trim(line));
    if (key.empty()) continue;
    if (key.size() < limits::kMinApiKeyChars) {
      fail(ErrorKind::kInput, options.api_key_file, ": key ", keys_.size() + 1, " has ", key.size(),
           " characters; at least ", limits::kMinApiKeyChars, " are needed, as openssl rand -hex 16 gives them");
    }
    keys_.push_back(digest(key));
  }
  if (keys_.empty()) fail(ErrorKind::kInput, options.api_key_file, ": holds no key; one a line is needed");
}

std::optional<Scheduler::Client> Clients::by_key(const std::string& key) const {
  const std::string came = digest(key);
  std::optional<Scheduler::Client> client;
  for (std::size_t i = 0; i < keys_.size(); ++i) {  // all of them, whichever it is
    if (memeql_sec(came.data(), keys_[i].data(), came.size())) client = i + 1;
  }
  return client;
}

Scheduler::Client Clients::by_address(const std::string& address) {
  return std::hash<std::string>()(address) | (std::uint64_t(1) << 63);  // no key's number, and not 0
}

Clients::Place Clients::enter(Scheduler::Client client, bool local) {
  const std::lock_guard lock(mutex_);
  if (count_ >= max_queue_) throw HttpError(503, "the server is busy: too many requests wait already; ask again later");
  const int most = max_per_client_ >= 0 ? max_per_client_ : local ? 0 : 16;
  if (most > 0 && client != 0) {
    const auto found = of_client_.find(client);
    if (found != of_client_.end() && found->second >= most) {
      throw HttpError(429,
                      concat("this client has ", most, " requests under way, the most allowed; wait for an answer first"));
    }
  }
  ++of_client_[client];
  ++count_;
  return {this, client};
}

Clients::Place::~Place() {
  if (!clients_) return;
  const std::lock_guard lock(clients_->mutex_);
  --clients_->count_;
  const auto found = clients_->of_client_.find(client_);
  if (--found->second == 0) clients_->of_client_.erase(found);
}

App::App(const Options& options, int log_fd)
    : options(options),
      log(log_fd),
      clients(options),
      pool(options.workers > 0 ? options.workers : processors(), options.max_queue + 1),
      clips(options.clips, options.max_queue + 1) {
  for (const char* name : {"generator", "speech", "emoengine"}) {
    models.emplace(std::piecewise_construct, std::tuple(name), std::tuple());
  }
}

void Charge::grow(std::size_t bytes) {
  if ((app_.body_bytes += std::int64_t(bytes)) > std::int64_t(limits::kMaxBodiesBytes)) {
    app_.body_bytes -= std::int64_t(bytes);
    throw HttpError(503, "the server holds too much data of other requests; ask again later");
  }
  bytes_ += std::int64_t(bytes);
}

const Engine& App::needed_engine() const {
  if (const Engine* engine = this->engine()) return *engine;
  throw HttpError(503, "the models are still being opened; ask again in a moment");
}

}  // namespace emo::serve
