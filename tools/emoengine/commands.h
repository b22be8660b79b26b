#pragma once

#include <CLI/CLI.hpp>

/// One function a command: declares its options on the command line and what it does when it is chosen. Each lives in the
/// file of its name. What they do throws Error; main() prints it and turns its kind into the exit code.
namespace emo::cli {

void add_run(CLI::App& app);
void add_generate(CLI::App& app);
void add_animate(CLI::App& app);
void add_aus(CLI::App& app);
void add_sweep(CLI::App& app);
void add_strengths(CLI::App& app);
void add_mfcc(CLI::App& app);
void add_convert(CLI::App& app);
void add_inspect(CLI::App& app);
void add_serve(CLI::App& app);
void add_doctor(CLI::App& app);

}  // namespace emo::cli
