#pragma once

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "tests/temp_dir.h"

namespace emo {

/// What a run of the program left: exit code (128 + signal when it died of one), what it printed, the most memory it had.
struct Outcome {
  int code;
  std::string out, err;
  long peak_kb;
};

/// Runs the emoengine program through the shell, in a folder of the test's own. Redirections among the arguments win.
class ProgramTest : public testing::Test {
 protected:
  Outcome run(const std::string& arguments) const { return shell(EMO_BINARY " >.out 2>.err </dev/null " + arguments); }
  /// A script in which EMO_BINARY has its place; its output is the outcome's where it does not say otherwise.
  Outcome script(const std::string& lines) const { return shell("{ " + lines + "; } >.out 2>.err </dev/null"); }
  /// A path of the source tree, quoted.
  static std::string source(const std::string& name) { return "'" EMO_SOURCE_DIR "/" + name + "'"; }
  bool exists(const std::string& name) const { return std::filesystem::exists(dir_ / name); }

  const TempDir dir_;

 private:
  Outcome shell(const std::string& commands) const {
    const std::string line = "cd '" + dir_.path().string() + "' && " + commands;
    const pid_t child = ::fork();
    if (child == 0) {
      ::execl("/bin/sh", "sh", "-c", line.c_str(), nullptr);
      ::_exit(127);
    }
    int status = 0;
    rusage usage{};  // of the shell and what it ran
    EXPECT_EQ(::wait4(child, &status, 0, &usage), child);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), read_file(dir_ / ".out"),
            read_file(dir_ / ".err"), usage.ru_maxrss};
  }
};

}  // namespace emo
