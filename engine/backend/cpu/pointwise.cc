#include "engine/backend/cpu/pointwise.h"

#include <array>
#include <cstddef>
#include <oneapi/dnnl/dnnl.hpp>

#include "engine/backend/cpu/winograd.h"

namespace emo {

// One source, a target attribute a function: no file is compiled with wider flags as a whole, so nothing from a shared
// header can end up in the program with instructions that some processor lacks. (target_clones would resolve before
// ThreadSanitizer is up.) All normalised layers of the 64-filter network at 128x128, one Zen 4 core, ms:
//   fp32  any x86-64 2.3, AVX2 1.8, AVX-512 2.0      bf16  any 4.8, AVX2 2.3, AVX-512 1.9      (the convolutions: 165, 85)
// so a form for AVX-512 would gain nothing that shows.
namespace {

namespace any {
#define EMO_TARGET
#define EMO_UNFUSED
#include "engine/backend/cpu/pointwise.inl"
#undef EMO_UNFUSED
#undef EMO_TARGET
}  // namespace any

namespace avx2 {
#define EMO_TARGET __attribute__((target("avx2,fma")))
#define EMO_UNFUSED __attribute__((target("avx2")))
#include "engine/backend/cpu/pointwise.inl"
#undef EMO_UNFUSED
#undef EMO_TARGET
}  // namespace avx2

}  // namespace

const Pointwise& pointwise() {
  const auto isa = dnnl::get_effective_cpu_isa();
  const bool old = isa == dnnl::cpu_isa::sse41 || isa == dnnl::cpu_isa::avx;
  return !old && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? avx2::kFunctions : any::kFunctions;
}

}  // namespace emo
