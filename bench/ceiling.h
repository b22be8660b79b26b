#pragma once

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <oneapi/dnnl/dnnl.hpp>

#include "base/error.h"
#include "engine/backend.h"

namespace emo {

/// GFLOP/s of a 1024-cubed matrix product by oneDNN on all processors, the best of half a second: what multiply-adds can
/// reach here.
inline double cpu_ceiling_gflops(Precision precision) {
  using dnnl::memory;
  constexpr int n = 1024;
  const auto type = precision == Precision::kBf16 ? memory::data_type::bf16 : memory::data_type::f32;
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  dnnl::stream stream(engine);
  const memory::desc in({n, n}, type, memory::format_tag::any), out({n, n}, memory::data_type::f32, memory::format_tag::ab);
  const dnnl::matmul::primitive_desc pd({in, in, out}, engine);
  memory a(pd.src_desc(), engine), b(pd.weights_desc(), engine), c(pd.dst_desc(), engine);
  for (const memory& m : {a, b}) std::memset(m.get_data_handle(), 0, m.get_desc().get_size());
  dnnl::matmul product(pd);

  using Clock = std::chrono::steady_clock;
  const auto seconds_since = [](Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  double best = 1e9;
  for (const auto begin = Clock::now(); seconds_since(begin) < 0.5;) {
    const auto start = Clock::now();
    product.execute(stream, {{DNNL_ARG_SRC, a}, {DNNL_ARG_WEIGHTS, b}, {DNNL_ARG_DST, c}});
    stream.wait();
    best = std::min(best, seconds_since(start));
  }
  return 2. * n * n * n / best * 1e-9;
}

/// Whether the CPU backend computes in this precision here.
inline bool cpu_computes_in(Precision precision) {
  try {
    return open_cpu_backend(nullptr, nullptr, {BackendKind::kCpu, precision, 1}) != nullptr;
  } catch (const Error&) {
    return false;
  }
}

/// Sets the counters gflops and share_of_ceiling.
inline void report_work(benchmark::State& state, double flops, double seconds, double ceiling_gflops) {
  const double gflops = flops / seconds * 1e-9;
  state.counters["gflops"] = gflops;
  state.counters["share_of_ceiling"] = gflops / ceiling_gflops;
}

}  // namespace emo
