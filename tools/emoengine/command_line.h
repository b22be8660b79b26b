#pragma once

namespace emo::cli {

/// The command line: runs it and gives the exit code. For a process of its own, whose signals and standard streams it takes.
int command_line(int argc, char** argv);

}  // namespace emo::cli
