#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace emo::cli {

/// What figures are written as.
inline constexpr std::string_view kPlotExtensions[] = {".png", ".svg"};

/// Draws with gnuplot, which people know, so that a figure can be changed by whoever wants it otherwise: `script` is what
/// follows "set terminal" and "set output". .png or .svg by the extension, `width` by `height` px; temporary file, then
/// rename. Throws Error(kUsage) for another extension, Error(kDevice) when gnuplot is not installed or fails, saying its
/// reason, Error(kInput) for an output that cannot be written.
void write_gnuplot(const std::filesystem::path& path, const std::string& script, int width, int height);

/// Text in gnuplot's quotes.
std::string gnuplot_quoted(const std::string& text);

}  // namespace emo::cli
