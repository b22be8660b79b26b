#pragma once

#include <cstddef>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>

namespace emo {

/// What kind of thing was wrong. The command line turns each into an exit code of its own (tools/emoengine/main.cc).
enum class ErrorKind {
  kInternal,    ///< a defect of ours
  kUsage,       ///< options that do not go together or cannot be read
  kInput,       ///< a picture, a sound, a table, an output path
  kModel,       ///< a weight file or a checkpoint
  kDevice,      ///< a backend, a precision or a driver that this machine lacks
  kMemory,      ///< the device has too little memory free
  kSomeInputs,  ///< some of many inputs; the outputs of the others are there
  kBusy,        ///< too much work waits already; ask again later
  kCancelled,   ///< the caller no longer wanted it
  kTimeout,     ///< not begun by its deadline
};

/// The only exception that the library throws on purpose. Its text is one sentence: where, what came, what is needed,
/// what to do. Only the command line prints it and exits.
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& what) : std::runtime_error(what), kind_(kind) {}
  ErrorKind kind() const { return kind_; }

 private:
  ErrorKind kind_;
};

/// Joins values as they stream: concat("N=", 3) is "N=3".
template <typename... Parts>
std::string concat(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

/// Text out of a file, fit for an error's one line: control characters and what is not ASCII become '?', a long one is cut.
inline std::string printable(std::string_view text, std::size_t max_chars = 100) {
  std::string shown(text.substr(0, max_chars));
  for (char& c : shown) {
    if (c < ' ' || c > '~') c = '?';
  }
  return text.size() > max_chars ? shown + "..." : shown;
}

/// Throws Error(kind) with the joined parts as its text.
template <typename... Parts>
[[noreturn]] void fail(ErrorKind kind, const Parts&... parts) {
  throw Error(kind, concat(parts...));
}

}  // namespace emo

/// Checks what the caller of a function inside the engine promised; the text says both values. The same in every build
/// type. For what a user's files or options got wrong, use fail() with the kind that fits.
#define EMO_CHECK(condition, ...)                                            \
  do {                                                                       \
    if (!(condition)) ::emo::fail(::emo::ErrorKind::kInternal, __VA_ARGS__); \
  } while (false)
