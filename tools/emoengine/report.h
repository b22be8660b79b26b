#pragma once

#include <chrono>
#include <cstdio>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

#include "engine/expression/expression.h"

/// What commands tell: notes, times, action units and emotions as text and JSON.
namespace emo::cli {

/// Where messages go: stderr as it was when this was first called. What a decoder prints on stderr meanwhile is kept back.
std::FILE* messages();

/// Keeps a line for the user until tell_notes(), once however often it comes. From any thread.
void note(const std::string& text);
/// Notes that a sound holds no speech, unless `found` or `quiet`.
void note_speech(const std::string& audio, bool found, bool quiet);
/// Tells on stderr what was noted, when a command has done its work: an error stays one line.
void tell_notes();

/// Wall-clock times of the stages, in the order in which they ran.
class StageClock {
 public:
  /// Runs a stage and keeps its time, ms; returns what it returns.
  template <typename Stage>
  auto time(const std::string& name, Stage&& stage) {
    struct Keep {
      StageClock& clock;
      const std::string& name;
      std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
      ~Keep() {
        clock.add(name, std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
      }
    } keep{*this, name};
    return stage();
  }
  void add(const std::string& name, double ms);
  /// The stages of another thread, which may overlap with these.
  void add(const StageClock& other) { stages_.insert(stages_.end(), other.stages_.begin(), other.stages_.end()); }
  /// {"image": 3.1, ...}
  nlohmann::ordered_json to_json() const;

 private:
  std::vector<std::pair<std::string, double>> stages_;
};

/// The text with '?' for each control character: a file's name may have a line break, a refusal has one line.
std::string one_line(std::string text);

/// A text of the library with its `fields` as this command line's options: "raise `max_side`" is "raise --max-image-side";
/// and with_streams().
std::string with_options(std::string text);

/// Prints what was done: "OUT: DONE".
void tell(const std::string& out, const std::string& done);

/// As JSON text, with a sign for what is no UTF-8: a file's name may be anything.
std::string text_of(const nlohmann::ordered_json& json, int indent = -1);
nlohmann::ordered_json to_json(const ActionUnits& au);
nlohmann::ordered_json to_json(const EmotionReading& reading);
/// "anger 0.84", or "neutral".
std::string describe(const EmotionReading& reading);
/// "anger 0.84: AU04=0.81 AU05=0.80": the emotion, its strength and the AUs of at least 0.05.
std::string summary(const ActionUnits& au);

}  // namespace emo::cli
