#pragma once

#include <filesystem>
#include <string>

#include "engine/expression/au_file.h"
#include "engine/media/media.h"

namespace emo::cli {

/// A figure of what a voice shows over time: the emotion that is read as a band, the curves of the AUs, the waveform. The up
/// to seven AUs that reach 0.1 and the highest peaks have colours and labels, the others are grey. Colours are those of
/// Okabe and Ito (2008), which the colour-blind tell apart. Errors as write_gnuplot.
void write_au_plot(const std::filesystem::path& path, const std::string& title, const Clip& clip, const AuCurve& curve);

}  // namespace emo::cli
