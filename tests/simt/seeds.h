#pragma once

#include <gtest/gtest.h>

#include <cstdint>

#include "simt/simt.h"

namespace emo {

/// Runs `test` with the threads in ascending, descending and two shuffled orders; on a device, four times.
template <typename Test>
void for_each_seed(Test&& test) {
  for (const std::uint64_t seed : {0, 1, 2, 3}) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    simt::set_seed(seed);
    test();
  }
  simt::set_seed(0);
}

}  // namespace emo
