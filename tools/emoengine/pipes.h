#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

/// Standard input and output as files, and what comes through other pipes.
namespace emo::cli {

inline constexpr std::string_view kStandardInput = "/dev/stdin";

/// Lets an option for inputs take "-": standard input, whose name is kStandardInput from then on.
CLI::Option* takes_standard_input(CLI::Option* option);

/// What an input's bytes can be read from, more than once: the file itself, or for a pipe one in memory, which is filled on
/// the first call of that name and stays. Throws Error(kInput) when more than limits::kMaxPipeBytes come, Error(kUsage) when
/// standard input is a terminal. From several threads at once.
std::filesystem::path readable(const std::string& input);

/// -o, which takes "-" for standard output, and --format, which is needed then and says which of `kinds` (".png" ...) is
/// written. All that is printed goes to stderr then. `out` receives a name that OutputFile knows for it.
CLI::Option* add_out_option(CLI::App& command, std::string& out, std::span<const std::string_view> kinds,
                            const std::string& help);
/// The name for standard output of a file with this ending, as add_out_option() gives it. Throws Error(kUsage) when it is a
/// terminal.
std::string standard_output(std::string_view extension);
/// The descriptor that such a name means; -1 for another.
int descriptor_of(const std::filesystem::path& out);

/// A text with "standard input" and "standard output" in place of the names that they have as files.
std::string with_streams(std::string text);

}  // namespace emo::cli
