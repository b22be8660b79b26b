#pragma once

#include <cstdlib>
#include <string>

#include "tools/emoengine/serve/http.h"

namespace emo::serve {

/// Whatever a client sends is taken, or refused with a status of 4xx; else the fuzzer stops.
template <typename Act>
void taken_or_refused(const Act& act) {
  try {
    act();
  } catch (...) {
    std::string detail;
    const Response response = response_for(std::current_exception(), detail);
    if (response.status / 100 != 4 || !detail.empty()) throw;
  }
}

/// Whether `part` lies within `whole`.
inline bool lies_within(std::string_view part, std::string_view whole) {
  return part.empty() || (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

/// Takes the first line off.
inline std::string first_line(std::string_view& text) {
  const auto end = text.find('\n');
  const std::string line(text.substr(0, end));
  text.remove_prefix(end == text.npos ? text.size() : end + 1);
  return line;
}

}  // namespace emo::serve
