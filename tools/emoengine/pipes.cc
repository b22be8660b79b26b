#include "tools/emoengine/pipes.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>

#include "base/error.h"
#include "base/limits.h"
#include "base/memory_file.h"
#include "base/text.h"
#include "tools/emoengine/report.h"

namespace emo::cli {
namespace {

/// A pipe that was read.
struct Piped {
  std::once_flag read;
  std::unique_ptr<MemoryFile> file;
};

std::unique_ptr<MemoryFile> read_pipe(const std::string& name) {
  if (name == kStandardInput) {
    if (::isatty(STDIN_FILENO)) {
      fail(ErrorKind::kUsage, name, ": is a terminal; let a program or a file come in, as in: emoengine ... < FILE");
    }
    return std::make_unique<MemoryFile>(STDIN_FILENO, name, limits::kMaxPipeBytes);
  }
  const int fd = ::open(name.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail(ErrorKind::kInput, name, ": cannot be opened: ", std::strerror(errno));
  const struct Close {
    int fd;
    ~Close() { ::close(fd); }
  } close{fd};
  return std::make_unique<MemoryFile>(fd, name, limits::kMaxPipeBytes);
}

int standard_output_fd = -1;  // a copy, when standard output is an output

std::string listed(std::span<const std::string_view> kinds) {
  std::string text;
  for (const auto kind : kinds) text += (text.empty() ? "" : ", ") + std::string(kind.substr(1));
  return text;
}

}  // namespace

CLI::Option* takes_standard_input(CLI::Option* option) {
  return option->transform([](const std::string& name) { return name == "-" ? std::string(kStandardInput) : name; });
}

std::filesystem::path readable(const std::string& input) {
  struct stat about {};
  const bool piped = input == kStandardInput || (::stat(input.c_str(), &about) == 0 && S_ISFIFO(about.st_mode));
  if (!piped) return input;
  static std::mutex mutex;
  static std::map<std::string, Piped> pipes;  // under mutex; what it holds stays where it is
  Piped& pipe = [&]() -> Piped& {
    const std::lock_guard lock(mutex);
    return pipes[input];
  }();
  // Not under the mutex: a program may write into two pipes by turns.
  std::call_once(pipe.read, [&] { pipe.file = read_pipe(input); });
  return pipe.file->path();
}

CLI::Option* add_out_option(CLI::App& command, std::string& out, std::span<const std::string_view> kinds,
                            const std::string& help) {
  auto* option = command.add_option("--out,-o", out, help + "; -: standard output");
  const auto format = std::make_shared<std::string>();
  command.add_option("--format", *format, "what -o - writes: " + listed(kinds));
  command.parse_complete_callback([&out, kinds, format] {
    if (out != "-") {
      if (!format->empty()) fail(ErrorKind::kUsage, "--format says what -o - writes; a file's ending says what it is");
      return;
    }
    if (std::ranges::find(kinds, "." + *format) == kinds.end()) {
      fail(ErrorKind::kUsage,
           "-o -: what goes to standard output has no ending that says what it is; give --format with one of ",
           listed(kinds));
    }
    out = standard_output("." + *format);
  });
  return option;
}

std::string standard_output(std::string_view extension) {
  if (standard_output_fd < 0) {
    if (::isatty(STDOUT_FILENO)) {
      fail(ErrorKind::kUsage, "-o -: standard output is a terminal; send it to a file or a program");
    }
    standard_output_fd = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    if (standard_output_fd < 0) fail(ErrorKind::kDevice, "-o -: ", std::strerror(errno));
    ::dup2(::fileno(messages()), STDOUT_FILENO);
  }
  return concat("/dev/fd/", standard_output_fd, extension);
}

int descriptor_of(const std::filesystem::path& out) {
  const bool is_ours =
      standard_output_fd >= 0 && out.stem() == std::to_string(standard_output_fd) && out.parent_path() == "/dev/fd";
  return is_ours ? standard_output_fd : -1;
}

std::string with_streams(std::string text) {
  text = replaced(std::move(text), kStandardInput, "standard input");
  if (standard_output_fd < 0) return text;
  const std::string name = concat("/dev/fd/", standard_output_fd, '.');
  for (auto at = text.find(name); at != text.npos; at = text.find(name)) {
    auto end = at + name.size();
    while (end < text.size() && std::isalnum(static_cast<unsigned char>(text[end]))) ++end;  // its ending
    text.replace(at, end - at, "standard output");
  }
  return text;
}

}  // namespace emo::cli
