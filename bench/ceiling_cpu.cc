// oneDNN multiplies, as it does for the CPU backend; all processors copy.
#include <algorithm>
#include <cstring>
#include <oneapi/dnnl/dnnl.hpp>
#include <thread>
#include <vector>

#include "bench/ceiling.h"
#include "bench/latencies.h"
#include "tests/random_generator.h"

namespace emo {
namespace {

/// The best of some tries, s.
template <typename Call>
double best_seconds(Call&& call) {
  Latencies tries;
  for (int i = 0; i < 10; ++i) tries.time(call);
  return tries.seconds(0);
}

double product_flops(Precision precision) {
  using dnnl::memory;
  constexpr int n = 2048;
  const auto type = precision == Precision::kBf16 ? memory::data_type::bf16 : memory::data_type::f32;
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  dnnl::stream stream(engine);
  const memory::desc plain({n, n}, memory::data_type::f32, memory::format_tag::ab),
      any({n, n}, type, memory::format_tag::any);
  const dnnl::matmul::primitive_desc pd({any, any, plain}, engine);
  std::vector<float> values = random_values(std::size_t(n) * n, 3);
  const memory given(plain, engine, values.data());
  memory a(pd.src_desc(), engine), b(pd.weights_desc(), engine), c(pd.dst_desc(), engine);
  dnnl::reorder(given, a).execute(stream, const_cast<memory&>(given), a);
  dnnl::reorder(given, b).execute(stream, const_cast<memory&>(given), b);
  const dnnl::matmul product(pd);
  return 2. * n * n * n / best_seconds([&] {
           product.execute(stream, {{DNNL_ARG_SRC, a}, {DNNL_ARG_WEIGHTS, b}, {DNNL_ARG_DST, c}});
           stream.wait();
         });
}

double copied_bytes() {
  const std::size_t threads = std::max(1u, std::thread::hardware_concurrency()), part = (std::size_t(256) << 20) / threads;
  std::vector<char> from(threads * part, 1), to(threads * part, 2);
  return 2. * double(from.size()) / best_seconds([&] {
           std::vector<std::jthread> copies;
           for (std::size_t i = 0; i < threads; ++i) {
             copies.emplace_back([&, i] { std::memcpy(&to[i * part], &from[i * part], part); });
           }
         });
}

}  // namespace

Ceiling measure_cpu(Precision precision) { return {product_flops(precision), copied_bytes()}; }

}  // namespace emo
