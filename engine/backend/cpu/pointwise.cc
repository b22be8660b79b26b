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
// so a form for AVX-512 would gain nothing that shows. Winograd's transforms do gain: they hold up to 36 cache lines, for
// which AVX2 has too few registers. A face on one Xeon core: 78 ms with theirs in AVX2, 71 in AVX-512.
namespace {

namespace any {
#define EMO_TARGET
#include "engine/backend/cpu/pointwise.inl"
#include "engine/backend/cpu/winograd.inl"
#undef EMO_TARGET
}  // namespace any

namespace avx2 {
#define EMO_TARGET __attribute__((target("avx2,fma")))
#include "engine/backend/cpu/pointwise.inl"
#include "engine/backend/cpu/winograd.inl"
#undef EMO_TARGET
}  // namespace avx2

namespace avx512 {
#define EMO_TARGET __attribute__((target("avx512f,avx512vl,avx512dq,fma,prefer-vector-width=512")))
#include "engine/backend/cpu/winograd.inl"
#undef EMO_TARGET
}  // namespace avx512

constexpr Pointwise kAny{
    any::row_moments,        any::merge_rows,       any::normalise_row<float>, any::normalise_row<std::uint16_t>,
    any::winograd_to_points, any::winograd_weights, any::winograd_to_rows,     any::matrix_vector};
constexpr Pointwise kAvx2{
    avx2::row_moments,        avx2::merge_rows,       avx2::normalise_row<float>, avx2::normalise_row<std::uint16_t>,
    avx2::winograd_to_points, avx2::winograd_weights, avx2::winograd_to_rows,     avx2::matrix_vector};
constexpr Pointwise kAvx512{
    avx2::row_moments,          avx2::merge_rows,         avx2::normalise_row<float>, avx2::normalise_row<std::uint16_t>,
    avx512::winograd_to_points, avx512::winograd_weights, avx512::winograd_to_rows,   avx2::matrix_vector};

}  // namespace

const Pointwise& pointwise() {
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool has_avx512 = has_avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                          __builtin_cpu_supports("avx512dq");
  const Pointwise& up_to_avx2 = has_avx2 ? kAvx2 : kAny;
  switch (dnnl::get_effective_cpu_isa()) {
    case dnnl::cpu_isa::sse41:
    case dnnl::cpu_isa::avx: return kAny;
    case dnnl::cpu_isa::avx2:
    case dnnl::cpu_isa::avx2_vnni: return up_to_avx2;
    default: return has_avx512 ? kAvx512 : up_to_avx2;
  }
}

}  // namespace emo
