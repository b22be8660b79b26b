#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace emo {

/// What belongs to an installation is found relative to the shared library or the program that holds this code. The build
/// folder has the same form:
///   bin/emoengine   lib/libemoengine.so.0   lib/emoengine/libemo_media.so   share/emoengine/weights/generator.safetensors
///
/// The file of that library, or of the program.
const std::filesystem::path& library_path();

/// A weight file that is installed, if it is.
std::optional<std::filesystem::path> installed_weights(const std::string& name);

/// The same for one that is needed. Throws Error(kModel) naming the places where it is not.
std::filesystem::path default_weights(const std::string& name);

/// A plug-in of this installation, for example "libemo_media.so". The file need not exist.
std::filesystem::path plugin_path(const std::string& name);

/// Opens a plug-in for the rest of the process, since code of it may run until the end, and gives its factory.
/// C++ objects cross this border, so both sides must be one version: Error(kDevice) names both and the file otherwise.
/// Throws Error(kDevice) with the system's reason, then `advice`, when the file cannot be loaded.
/// `subject` begins each text: "media".
void* open_plugin(const std::filesystem::path& file, const char* factory, const std::string& subject,
                  const std::string& advice);

}  // namespace emo
