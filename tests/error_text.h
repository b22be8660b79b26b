#pragma once

#include <gtest/gtest.h>

#include <string>

#include "base/error.h"

namespace emo {

/// The text of the Error that a call throws, its kind checked; fails the test when it throws none.
template <typename Call>
std::string error_text(ErrorKind kind, Call call) {
  try {
    call();
  } catch (const Error& e) {
    EXPECT_EQ(int(e.kind()), int(kind)) << e.what();
    return e.what();
  }
  ADD_FAILURE() << "no error was thrown";
  return {};
}

}  // namespace emo
