#pragma once

#include <string>

#include "base/error.h"

namespace emo {

/// The text of the Error that `action` throws, to be compared whole. An Error of another kind and no error at all give a
/// text that says so and so compares unequal.
template <typename Action>
std::string text_of(ErrorKind kind, Action&& action) {
  try {
    action();
  } catch (const Error& e) {
    return (e.kind() == kind ? "" : "(of another kind) ") + std::string(e.what());
  }
  return "(no error)";
}

}  // namespace emo
