#include "tools/emoengine/gnuplot.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "tools/emoengine/report.h"

extern char** environ;

namespace emo::cli {
namespace {

/// A file without a name, in memory. Unlike a pipe it can neither fill up nor break while gnuplot is slow or gone.
class MemoryFile {
 public:
  explicit MemoryFile(const std::string& content) : fd_(::memfd_create("gnuplot", MFD_CLOEXEC)) {
    const bool whole = fd_ >= 0 && ::write(fd_, content.data(), content.size()) == ssize_t(content.size());
    if (!whole || ::lseek(fd_, 0, SEEK_SET) != 0) fail(ErrorKind::kDevice, "gnuplot: no memory for the plot's data");
  }
  ~MemoryFile() { ::close(fd_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  int fd() const { return fd_; }
  std::string content() const {
    std::string text(std::size_t(::lseek(fd_, 0, SEEK_END)), '\0');
    text.resize(std::size_t(std::max<ssize_t>(0, ::pread(fd_, text.data(), text.size(), 0))));
    return text;
  }

 private:
  int fd_;
};

/// The last line that says something: gnuplot first quotes the command, then says what was wrong with it.
std::string last_line(std::string text) {
  text.resize(text.find_last_not_of(" \n") + 1);
  return printable(text.substr(text.find_last_of('\n') + 1));
}

/// What gnuplot draws on its standard output.
std::string run(const std::string& script) {
  const MemoryFile in(script), out(""), err("");
  posix_spawn_file_actions_t files;
  ::posix_spawn_file_actions_init(&files);
  ::posix_spawn_file_actions_adddup2(&files, in.fd(), STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&files, out.fd(), STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&files, err.fd(), STDERR_FILENO);
  char program[] = "gnuplot";
  char* const arguments[] = {program, nullptr};
  pid_t child = 0;
  const int error = ::posix_spawnp(&child, program, &files, nullptr, arguments, environ);
  ::posix_spawn_file_actions_destroy(&files);
  if (error == ENOENT) fail(ErrorKind::kDevice, "--plot: needs gnuplot, which is not installed; install gnuplot-nox");
  if (error) fail(ErrorKind::kDevice, "--plot: gnuplot cannot be started: ", std::strerror(error));
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    fail(ErrorKind::kDevice, "--plot: gnuplot failed: ", last_line(err.content()));
  }
  return out.content();
}

}  // namespace

std::string gnuplot_quoted(const std::string& text) {
  std::string quoted = "'";
  for (const char c : one_line(text)) quoted += c == '\'' ? std::string("''") : std::string(1, c);
  return quoted + "'";
}

void write_gnuplot(const std::filesystem::path& path, const std::string& script, int width, int height) {
  const bool svg = known_extension("output", path, kPlotExtensions) == ".svg";
  OutputFile file(path);  // first of all, so that a path that cannot be written is told at once
  const std::string picture = run(concat("set terminal ", svg ? "svg fontscale 1.33" : "pngcairo", " noenhanced size ",
                                         width, ",", height, " font 'DejaVu Sans,12' background 'white'\n", script, "\n"));
  // gnuplot does not look whether its writes succeed: the end of the picture tells.
  if (picture.find(svg ? "</svg>" : "IEND", picture.size() - std::min<std::size_t>(picture.size(), 16)) ==
      std::string::npos) {
    fail(ErrorKind::kInput, path.string(), ": gnuplot could not draw all of it; is the memory full?");
  }
  file.write(picture);
  file.commit();
}

}  // namespace emo::cli
