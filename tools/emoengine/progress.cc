#include "tools/emoengine/progress.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "tools/emoengine/report.h"

namespace emo::cli {
namespace {

constexpr double kTerminalEvery_s = 0.1;
constexpr double kLogEvery_s = 10;

double seconds(std::chrono::steady_clock::duration d) { return std::chrono::duration<double>(d).count(); }

bool rewrites_lines() {
  const char* terminal = std::getenv("TERM");
  return ::isatty(fileno(messages())) && terminal && std::string(terminal) != "dumb";
}

}  // namespace

Progress::Progress(std::string work, std::string unit, std::size_t total, bool quiet, Clock::time_point start)
    : work_(std::move(work)),
      unit_(std::move(unit)),
      total_(total),
      quiet_(quiet),
      terminal_(rewrites_lines()),
      start_(start) {}

Progress::~Progress() {
  if (terminal_ && !quiet_) std::fputs("\r\033[K", messages());
}

void Progress::step() {
  last_ = Clock::now();
  if (done_++ == 0) first_ = last_;
  if (quiet_ || done_ >= total_ || seconds(last_ - shown_) < (terminal_ ? kTerminalEvery_s : kLogEvery_s)) return;
  shown_ = last_;
  const double speed = rate();
  std::fprintf(messages(), "%s%s: %zu of %zu %ss, %.1f/s, %.0f s left%s", terminal_ ? "\r" : "", work_.c_str(), done_,
               total_, unit_.c_str(), speed, speed > 0 ? double(total_ - done_) / speed : 0.0, terminal_ ? "\033[K" : "\n");
}

double Progress::rate() const { return double(done_) / seconds(last_ - start_); }

std::string Progress::summary() const {
  char text[96];
  std::snprintf(text, sizeof text, "%zu %s%s, %.1f/s, the first after %.2f s", done_, unit_.c_str(), done_ == 1 ? "" : "s",
                done_ ? rate() : 0.0, seconds(first_ - start_));
  return text;
}

}  // namespace emo::cli
