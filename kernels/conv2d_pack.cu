#include <bit>
#include <cstring>

#include "base/dtype.h"
#include "kernels/common.cuh"
#include "kernels/conv2d.h"
#include "kernels/launch.h"

namespace emo {
namespace {

/// tf32 as the tensor core reads it: to nearest, ties away from zero, as cvt.rna does.
float rounded_to_tf32(float v) {
  const auto bits = std::bit_cast<std::uint32_t>(v);
  return std::bit_cast<float>((bits & 0x7f800000u) == 0x7f800000u ? bits : (bits + 0x1000u) & 0xffffe000u);
}

void store(MathType math, float v, std::byte* to) {
  switch (math) {
    case MathType::kTF32: v = rounded_to_tf32(v); [[fallthrough]];
    case MathType::kFP32: std::memcpy(to, &v, sizeof v); return;
    case MathType::kF16:
    case MathType::kBF16: {
      const std::uint16_t bits = math == MathType::kF16 ? float_to_half(v) : float_to_bf16(v);
      std::memcpy(to, &bits, sizeof bits);
    }
  }
}

}  // namespace

std::vector<std::byte> pack_conv_weights(MathType math, const ConvShape& s, std::span<const float> weight, int C_out,
                                         int C_in) {
  EMO_CHECK(C_out <= s.C_out && C_in <= s.C_in, "conv2d: weights of ", C_in, " channels in and ", C_out,
            " out do not fit a convolution of ", s.C_in, " and ", s.C_out);
  const std::size_t count = std::size_t(C_out) * C_in * s.KH * s.KW;
  EMO_CHECK(weight.size() == count, "conv2d: ", weight.size(), " weights; (", C_out, ",", C_in, ",", s.KH, ",", s.KW,
            ") needs ", count);
  const int bytes = operand_bytes(math), KW = s.transposed ? 2 : s.KW;
  const std::size_t K_bytes = ceil_div(s.taps() * s.C_in * bytes, kStepBytes) * std::size_t(kStepBytes);
  std::vector<std::byte> packed(s.parities() * s.C_out * K_bytes);  // zeros, in every type
  for (int parity = 0; parity < s.parities(); ++parity) {
    for (int n = 0; n < C_out; ++n) {
      std::byte* row = packed.data() + (std::size_t(parity) * s.C_out + n) * K_bytes;
      for (int tap = 0; tap < s.taps(); ++tap) {
        int ky = tap / KW, kx = tap % KW;
        if (s.transposed) {
          ky = 3 - parity / 2 - 2 * ky;
          kx = 3 - parity % 2 - 2 * kx;
        }
        for (int c = 0; c < C_in; ++c) {
          const std::size_t filter = s.transposed ? std::size_t(c) * C_out + n : std::size_t(n) * C_in + c;
          store(math, weight[(filter * s.KH + ky) * s.KW + kx], row + (std::size_t(tap) * s.C_in + c) * bytes);
        }
      }
    }
  }
  return packed;
}

}  // namespace emo
