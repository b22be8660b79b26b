#include "tools/emoengine/report.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>

#include "tools/emoengine/pipes.h"

namespace emo::cli {
namespace {

std::mutex notes_mutex;
std::vector<std::string> notes;

}  // namespace

std::FILE* messages() {
  static std::FILE* const file = [] {
    std::FILE* copy = ::fdopen(::dup(STDERR_FILENO), "w");
    if (copy) std::setvbuf(copy, nullptr, _IONBF, 0);
    return copy ? copy : stderr;
  }();
  return file;
}

void note(const std::string& text) {
  const std::string line = with_options(text);
  const std::lock_guard lock(notes_mutex);
  if (std::find(notes.begin(), notes.end(), line) == notes.end()) notes.push_back(line);
}

void note_speech(const std::string& audio, bool found, bool quiet) {
  if (!found && !quiet) note(audio + ": no speech found, so the face is neutral");
}

void tell_notes() {
  const std::lock_guard lock(notes_mutex);
  for (const auto& line : notes) std::fprintf(messages(), "emoengine: note: %s\n", one_line(line).c_str());
}

void StageClock::add(const std::string& name, double ms) { stages_.emplace_back(name, ms); }

nlohmann::ordered_json StageClock::to_json() const {
  nlohmann::ordered_json json;
  for (const auto& [name, ms] : stages_) json[name] = json.contains(name) ? json[name].get<double>() + ms : ms;
  return json;
}

std::string one_line(std::string text) {
  for (char& c : text) {
    if ((c >= 0 && c < ' ') || c == 127) c = '?';
  }
  return text;
}

std::string with_options(std::string text) {
  static const std::map<std::string_view, std::string_view> options = {{"au", "--au"},
                                                                       {"au_face", "--au-face"},
                                                                       {"backend", "--backend"},
                                                                       {"config", "--config"},
                                                                       {"crop", "--crop"},
                                                                       {"dtype", "--dtype"},
                                                                       {"ease_s", "--ease"},
                                                                       {"detail", "--detail"},
                                                                       {"emotion", "--emotion"},
                                                                       {"face", "--face"},
                                                                       {"font", "--font"},
                                                                       {"fps", "--fps"},
                                                                       {"layout", "--layout"},
                                                                       {"max_megapixels", "--max-megapixels"},
                                                                       {"max_seconds", "--max-audio-s"},
                                                                       {"max_side", "--max-image-side"},
                                                                       {"max_tensors", "--max-tensors"},
                                                                       {"no_face", "--no-face"},
                                                                       {"passes", "--passes"},
                                                                       {"precision", "--precision"},
                                                                       {"reader", "--reader"},
                                                                       {"relative", "--relative"},
                                                                       {"prefix", "--prefix"},
                                                                       {"smooth_s", "--smooth"},
                                                                       {"threads", "--threads"}};
  for (std::size_t begin = 0; (begin = text.find('`', begin)) != std::string::npos;) {
    const std::size_t end = text.find('`', begin + 1);
    if (end == std::string::npos) break;
    const auto option = options.find(std::string_view(text).substr(begin + 1, end - begin - 1));
    if (option == options.end()) {
      begin = end;  // it may open the next
    } else {
      text.replace(begin, end + 1 - begin, option->second);
      begin += option->second.size();
    }
  }
  return with_streams(std::move(text));
}

void tell(const std::string& out, const std::string& done) {
  std::printf("%s: %s\n", with_streams(out).c_str(), done.c_str());
}

std::string text_of(const nlohmann::ordered_json& json, int indent) {
  return json.dump(indent, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

nlohmann::ordered_json to_json(const ActionUnits& au) {
  nlohmann::ordered_json json;
  for (std::size_t i = 0; i < au.names().size(); ++i) json[au.names()[i]] = au.values()[i];
  return json;
}

nlohmann::ordered_json to_json(const EmotionReading& reading) {
  return {{"name", reading.name}, {"strength", reading.strength}};
}

std::string describe(const EmotionReading& reading) {
  if (reading.name == "neutral") return "neutral";
  char text[32];
  std::snprintf(text, sizeof text, "%.*s %.2f", int(reading.name.size()), reading.name.data(), reading.strength);
  return text;
}

std::string summary(const ActionUnits& au) {
  std::string line = describe(read_emotion(au));
  const char* before = ": ";
  for (std::size_t i = 0; i < au.names().size(); ++i) {
    if (au.values()[i] < 0.05f) continue;
    char text[16];
    std::snprintf(text, sizeof text, "=%.2f", double(au.values()[i]));
    line += before + au.names()[i] + text;
    before = " ";
  }
  return line;
}

}  // namespace emo::cli
