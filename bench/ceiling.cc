#include "bench/ceiling.h"

#include <benchmark/benchmark.h>

#include <map>
#include <utility>

#include "base/error.h"

namespace emo {
namespace {

Ceiling measure(BackendKind backend, Precision precision) {
#ifdef EMO_BENCH_CPU
  if (backend == BackendKind::kCpu) return measure_cpu(precision);
#endif
#ifdef EMO_BENCH_CUDA
  if (backend == BackendKind::kCuda) return measure_cuda(precision);
#endif
  fail(ErrorKind::kDevice, "ceiling: ", name_of(backend), ", ", name_of(precision), " cannot be measured by this build");
}

}  // namespace

const Ceiling& ceiling(BackendKind backend, Precision precision) {
  static std::map<std::pair<BackendKind, Precision>, Ceiling> known;
  const auto [entry, is_new] = known.try_emplace({backend, precision});
  if (is_new) {
    entry->second = measure(backend, precision);
    const std::string name = concat("ceiling ", name_of(backend), " ", name_of(precision));
    benchmark::AddCustomContext(name + " TFLOP/s", concat(entry->second.flops * 1e-12));
    benchmark::AddCustomContext(name + " GB/s", concat(entry->second.bytes * 1e-9));
  }
  return entry->second;
}

}  // namespace emo
