#include "engine/scheduler.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <list>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "base/error.h"
#include "base/limits.h"

namespace emo {
namespace {

using Clock = Scheduler::Clock;
using Item = Scheduler::Item;
using Lock = std::unique_lock<std::mutex>;

void check(const char* name, int value, int least, int most) {
  if (value >= least && value <= most) return;
  fail(ErrorKind::kUsage, "scheduler: ", name, " is ", value, "; ", least, " to ", most, " is needed");
}

}  // namespace

struct Scheduler::Pending : Request {
  Pending(std::shared_ptr<State> state, std::function<void()> done) : state(std::move(state)), done(std::move(done)) {}
  bool wait(Clock::duration at_most) override;
  void cancel() override;

  const std::shared_ptr<State> state;
  // Under the state's mutex:
  std::function<void()> done;
  std::size_t waiting = 0, open = 0;  // items that are not begun, and that have no outcome
  bool answered = false;
  bool lends_thread = false;  // its thread sleeps and may be woken to run a batch
  std::condition_variable changed;
};

struct Scheduler::State {
  /// Items of one request that run together.
  struct Group {
    std::shared_ptr<Pending> request;
    std::vector<Item*> items;
    Clock::time_point came;
  };
  /// What a client waits for.
  struct Line {
    Client client;
    std::deque<Group> groups;
  };
  /// A thread in a call; close() waits for it.
  struct Visit {
    explicit Visit(State& state) : state(state) { ++state.visitors; }
    ~Visit() {
      if (--state.visitors == 0) state.left.notify_all();
    }
    State& state;
  };

  State(const SchedulerOptions& options, Run run) : options(options), run(std::move(run)) {
    check("max_batch", options.max_batch, 1, limits::kMaxBatch);
    check("max_wait_us", options.max_wait_us, 0, limits::kMaxBatchWaitUs);
    check("max_queue", options.max_queue, 1, limits::kMaxQueue);
    check("max_contexts", options.max_contexts, 1, limits::kMaxContexts);
    counts.batches.resize(std::size_t(options.max_batch) + 1);
    workers.reserve(std::size_t(options.max_contexts));
  }

  void add(const std::shared_ptr<Pending>& request, std::span<Item> items, Client client);
  bool step(Lock& lock, Clock::time_point& wake);
  void await(Lock& lock, Pending& request, Clock::time_point until, bool lends);
  void work();
  void ensure_worker();
  void wake_runner();
  Clock::time_point batch_time() const;
  std::vector<Group> take();
  void run_batch(Lock& lock);
  void execute(std::span<const Group> batch) const;
  template <typename Fails>
  void drop(Lock& lock, ErrorKind kind, const char* text, const Fails& fails);
  void expire(Lock& lock, Clock::time_point now);
  void answer(Lock& lock, const std::vector<std::shared_ptr<Pending>>& requests);

  const SchedulerOptions options;
  const Run run;
  std::mutex mutex;
  // Under mutex:
  std::list<Line> lines;  // the first one's turn is next; none is empty
  Counts counts;
  Clock::time_point first_deadline = kNever;  // none of what waits has an earlier one
  int running_batches = 0, idle = 0, visitors = 0;
  bool closed = false;
  std::vector<std::thread> workers;
  std::condition_variable work_came, left;
};

/// Puts the items at the end of their client's line, or of a new one.
void Scheduler::State::add(const std::shared_ptr<Pending>& request, std::span<Item> items, Client client) {
  if (closed) fail(ErrorKind::kCancelled, "scheduler: closed; nothing more is taken");
  const int coming = int(items.size());
  if (counts.waiting > 0 && coming > options.max_queue - counts.waiting) {
    counts.refused += std::uint64_t(coming);
    fail(ErrorKind::kBusy, "scheduler: ", counts.waiting, " jobs wait and ", coming, " came; max_queue is ",
         options.max_queue, ". Ask again later");
  }
  auto line = client == 0 ? lines.end() : std::ranges::find(lines, client, &Line::client);
  if (line == lines.end()) line = lines.insert(line, {client, {}});
  const auto now = Clock::now();
  const void* group = nullptr;
  for (Item& item : items) {
    item.error = nullptr;
    if (&item == &items[0] || !item.group || item.group != group) line->groups.push_back({request, {}, now});
    line->groups.back().items.push_back(&item);
    group = item.group;
    first_deadline = std::min(first_deadline, item.deadline);
  }
  request->waiting = request->open = items.size();
  counts.waiting += coming;
}

/// When the next batch is to begin: at once when it is full.
Clock::time_point Scheduler::State::batch_time() const {
  if (options.max_wait_us == 0 || counts.waiting >= options.max_batch) return Clock::time_point::min();
  auto first = kNever;
  for (const Line& line : lines) first = std::min(first, line.groups.front().came);
  return first + std::chrono::microseconds(options.max_wait_us);
}

/// The next batch: a group of each line in turn, until it is full.
std::vector<Scheduler::State::Group> Scheduler::State::take() {
  std::vector<Group> batch;
  int size = 0;
  while (!lines.empty() && size < options.max_batch) {
    Line& line = lines.front();
    const int more = int(line.groups.front().items.size());
    if (size > 0 && size + more > options.max_batch) break;
    batch.push_back(std::move(line.groups.front()));
    line.groups.pop_front();
    batch.back().request->waiting -= std::size_t(more);
    size += more;
    if (line.groups.empty()) {
      lines.pop_front();
    } else {
      lines.splice(lines.end(), lines, lines.begin());
    }
  }
  counts.waiting -= size;
  counts.running += size;
  ++counts.batches[std::size_t(std::min(size, options.max_batch))];
  return batch;
}

void Scheduler::State::run_batch(Lock& lock) {
  const std::vector<Group> batch = take();
  ++running_batches;
  wake_runner();  // for what is left
  lock.unlock();
  execute(batch);
  lock.lock();
  --running_batches;
  std::vector<std::shared_ptr<Pending>> whole;
  for (const Group& group : batch) {
    counts.running -= int(group.items.size());
    for (const Item* item : group.items) ++(item->error ? counts.failed : counts.done);
    group.request->open -= group.items.size();
    if (group.request->open == 0) whole.push_back(group.request);
  }
  answer(lock, whole);
}

void Scheduler::State::execute(std::span<const Group> batch) const {
  const auto attempt = [this](std::span<Item* const> items) -> std::exception_ptr {
    try {
      run(items);
      return nullptr;
    } catch (...) {
      return std::current_exception();
    }
  };
  const auto fail_all = [](std::span<Item* const> items, const std::exception_ptr& error) {
    for (Item* item : items) item->error = error;
  };
  std::vector<Item*> all;
  for (const Group& group : batch) all.insert(all.end(), group.items.begin(), group.items.end());
  const std::exception_ptr error = attempt(all);
  if (!error) return;
  if (batch.size() == 1) return fail_all(all, error);
  fail_all(all, nullptr);  // what it set before it threw
  for (const Group& group : batch) {
    if (const auto alone = attempt(group.items)) fail_all(group.items, alone);
  }
}

/// Takes the items for which fails(request, item) holds out of the lines.
template <typename Fails>
void Scheduler::State::drop(Lock& lock, ErrorKind kind, const char* text, const Fails& fails) {
  std::vector<std::shared_ptr<Pending>> whole;
  auto& count = kind == ErrorKind::kTimeout ? counts.timed_out : counts.cancelled;
  for (Line& line : lines) {
    for (Group& group : line.groups) {
      const std::size_t dropped = std::erase_if(group.items, [&](Item* item) {
        if (!fails(*group.request, *item)) return false;
        item->error = std::make_exception_ptr(Error(kind, text));
        return true;
      });
      if (dropped == 0) continue;
      count += dropped;
      counts.waiting -= int(dropped);
      group.request->waiting -= dropped;
      group.request->open -= dropped;
      if (group.request->open == 0) whole.push_back(group.request);
    }
    std::erase_if(line.groups, [](const Group& group) { return group.items.empty(); });
  }
  std::erase_if(lines, [](const Line& line) { return line.groups.empty(); });
  answer(lock, whole);
}

void Scheduler::State::expire(Lock& lock, Clock::time_point now) {
  first_deadline = kNever;
  drop(lock, ErrorKind::kTimeout,
       "scheduler: the deadline passed before the job was begun; allow more time, or ask for less",
       [&](const Pending&, const Item& item) {
         if (item.deadline > now) first_deadline = std::min(first_deadline, item.deadline);
         return item.deadline <= now;
       });
}

/// The lock is open while the callbacks run.
void Scheduler::State::answer(Lock& lock, const std::vector<std::shared_ptr<Pending>>& requests) {
  for (const auto& request : requests) {
    if (const auto done = std::exchange(request->done, {})) {
      lock.unlock();
      done();
      lock.lock();
    }
    request->answered = true;
    request->changed.notify_all();
  }
}

/// Wakes one of those who can run a batch, if there is one to run. Whoever stops running batches calls it.
void Scheduler::State::wake_runner() {
  if (counts.waiting == 0 || running_batches == options.max_contexts) return;
  if (idle > 0) return work_came.notify_one();
  for (const Line& line : lines) {
    for (const Group& group : line.groups) {
      if (group.request->lends_thread) return group.request->changed.notify_all();
    }
  }
}

/// Runs a batch, or answers what came too late, if it is time to. False: nothing to do before `wake`, which is brought
/// forward to when there will be.
bool Scheduler::State::step(Lock& lock, Clock::time_point& wake) {
  if (counts.waiting == 0) return false;
  const auto now = Clock::now();
  if (now >= first_deadline) {
    expire(lock, now);
    return true;
  }
  wake = std::min(wake, first_deadline);
  if (running_batches == options.max_contexts) return false;
  const auto begin = batch_time();
  if (now < begin) {
    wake = std::min(wake, begin);
    return false;
  }
  run_batch(lock);
  return true;
}

/// Returns when the request is answered or the time has come. `lends`: its thread runs batches while an item of it waits.
void Scheduler::State::await(Lock& lock, Pending& request, Clock::time_point until, bool lends) {
  const Visit visit(*this);
  while (!request.answered && Clock::now() < until) {
    auto wake = until;
    request.lends_thread = lends && request.waiting > 0;
    if (request.lends_thread && step(lock, wake)) continue;
    if (!request.lends_thread) wake_runner();
    request.changed.wait_until(lock, wake);
  }
  request.lends_thread = false;
  wake_runner();
}

/// A worker's life.
void Scheduler::State::work() {
  Lock lock(mutex);
  while (!closed) {
    auto wake = kNever;
    if (step(lock, wake)) continue;
    ++idle;
    work_came.wait_until(lock, wake);
    --idle;
  }
}

/// A thread for what nobody waits for.
void Scheduler::State::ensure_worker() {
  if (idle > 0 || workers.size() == workers.capacity()) return;
  try {
    workers.emplace_back([this] { work(); });
  } catch (const std::system_error& e) {
    if (!workers.empty()) return;
    fail(ErrorKind::kDevice, "scheduler: the system gives no thread (", e.what(), "); end other programs");
  }
}

bool Scheduler::Pending::wait(Clock::duration at_most) {
  const auto now = Clock::now();
  Lock lock(state->mutex);
  state->await(lock, *this, at_most < kNever - now ? now + at_most : kNever, false);
  return answered;
}

void Scheduler::Pending::cancel() {
  Lock lock(state->mutex);
  const State::Visit visit(*state);
  if (waiting == 0) return;
  state->drop(lock, ErrorKind::kCancelled, "scheduler: cancelled before the job was begun",
              [this](const Pending& request, const Item&) { return &request == this; });
}

Scheduler::Scheduler(const SchedulerOptions& options, Run run) : state_(std::make_shared<State>(options, std::move(run))) {}

Scheduler::~Scheduler() { close(); }

void Scheduler::run(std::span<Item> items, Client client) {
  if (items.empty()) return;
  const auto request = std::make_shared<Pending>(state_, nullptr);
  Lock lock(request->state->mutex);
  request->state->add(request, items, client);
  request->state->await(lock, *request, kNever, true);
}

std::shared_ptr<Scheduler::Request> Scheduler::submit(std::span<Item> items, std::function<void()> done, Client client) {
  auto request = std::make_shared<Pending>(state_, std::move(done));
  Lock lock(state_->mutex);
  if (items.empty()) {
    state_->answer(lock, {request});
    return request;
  }
  state_->ensure_worker();
  state_->add(request, items, client);
  state_->wake_runner();
  return request;
}

void Scheduler::close() {
  Lock lock(state_->mutex);
  if (std::exchange(state_->closed, true)) return;
  state_->drop(lock, ErrorKind::kCancelled, "scheduler: closed before the job was begun",
               [](const Pending&, const Item&) { return true; });
  state_->work_came.notify_all();
  state_->left.wait(lock, [this] { return state_->visitors == 0; });
  lock.unlock();
  for (std::thread& worker : state_->workers) worker.join();
}

Scheduler::Counts Scheduler::counts() const {
  const Lock lock(state_->mutex);
  return state_->counts;
}

}  // namespace emo
