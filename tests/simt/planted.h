#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "buffer.h"
#include "kernels/launch.h"
#include "seeds.h"

namespace emo {

/// The text of the fault of this launch; empty when it ran well.
template <typename... Params, typename... Args>
std::string fault_of(void (*kernel)(Params...), LaunchConfig config, Args... args) {
  simt::reset();
  launch("planted", "of a test", kernel, config, args...);
  cudaDeviceSynchronize();
  const std::string fault = simt::last_fault();
  simt::reset();
  return fault;
}

}  // namespace emo
