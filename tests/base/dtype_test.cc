#include "base/dtype.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace emo {
namespace {

// The formats' definitions, in double: sign, `exponent_bits` of exponent, the rest fraction.
double decoded(std::uint16_t bits, int exponent_bits) {
  const int fraction_bits = 15 - exponent_bits, bias = (1 << (exponent_bits - 1)) - 1;
  const int exponent = bits >> fraction_bits & ((1 << exponent_bits) - 1);
  const int fraction = bits & ((1 << fraction_bits) - 1);
  const double sign = bits & 0x8000 ? -1 : 1;
  if (exponent == (1 << exponent_bits) - 1) {
    return fraction ? std::numeric_limits<double>::quiet_NaN() : sign * std::numeric_limits<double>::infinity();
  }
  if (exponent == 0) return sign * std::ldexp(fraction, 1 - bias - fraction_bits);
  return sign * std::ldexp(fraction + (1 << fraction_bits), exponent - bias - fraction_bits);
}

struct Format {
  int exponent_bits;
  float (*to_float)(std::uint16_t);
  std::uint16_t (*from_float)(float);
  std::uint16_t infinity;
};

class HalfFormats : public ::testing::TestWithParam<Format> {};

TEST_P(HalfFormats, EveryPatternIsReadAsTheFormatSays) {
  for (int bits = 0; bits <= 0xffff; ++bits) {
    const double want = decoded(std::uint16_t(bits), GetParam().exponent_bits);
    const float got = GetParam().to_float(std::uint16_t(bits));
    ASSERT_TRUE(std::isnan(want) ? std::isnan(got) : got == want && std::signbit(got) == std::signbit(want))
        << std::hex << bits << ": got " << got << ", want " << want;
  }
}

TEST_P(HalfFormats, EveryPatternComesBack) {
  for (int bits = 0; bits <= 0xffff; ++bits) {
    const float value = GetParam().to_float(std::uint16_t(bits));
    const std::uint16_t back = GetParam().from_float(value);
    if (std::isnan(value)) {
      ASSERT_TRUE(std::isnan(GetParam().to_float(back))) << std::hex << bits;
    } else {
      ASSERT_EQ(back, bits) << std::hex << bits;
    }
  }
}

TEST_P(HalfFormats, BetweenTwoNeighboursTheNearerIsTakenAndTheEvenOneInATie) {
  const auto [exponent_bits, to_float, from_float, infinity] = GetParam();
  for (int low = 0; low < infinity - 1; ++low) {
    const int high = low + 1, even = low % 2 == 0 ? low : high;
    // The middle has one more bit than the format, so fp32 holds it exactly, and a step of fp32 leaves it.
    const auto middle =
        float((decoded(std::uint16_t(low), exponent_bits) + decoded(std::uint16_t(high), exponent_bits)) / 2);
    ASSERT_EQ(from_float(middle), even) << std::hex << low;
    ASSERT_EQ(from_float(std::nextafter(middle, 0.f)), low) << std::hex << low;
    ASSERT_EQ(from_float(std::nextafter(middle, INFINITY)), high) << std::hex << low;
    ASSERT_EQ(from_float(-middle), even | 0x8000) << std::hex << low;
  }
}

TEST_P(HalfFormats, WhatRoundsPastTheLargestValueIsInfinity) {
  const auto [exponent_bits, to_float, from_float, infinity] = GetParam();
  const double largest = decoded(std::uint16_t(infinity - 1), exponent_bits);
  const double step = largest - decoded(std::uint16_t(infinity - 2), exponent_bits);
  const auto middle = float(largest + step / 2);
  EXPECT_EQ(from_float(std::nextafter(middle, 0.f)), infinity - 1);
  EXPECT_EQ(from_float(middle), infinity);
  EXPECT_EQ(from_float(std::numeric_limits<float>::max()), infinity);
  EXPECT_EQ(from_float(-std::numeric_limits<float>::infinity()), infinity | 0x8000);
}

TEST_P(HalfFormats, ANanOnlyInTheLowBitsStaysANan) {
  const float nan = std::bit_cast<float>(0x7f800001u);
  EXPECT_TRUE(std::isnan(GetParam().to_float(GetParam().from_float(nan))));
}

INSTANTIATE_TEST_SUITE_P(Dtype, HalfFormats,
                         ::testing::Values(Format{5, half_to_float, float_to_half, 0x7c00},
                                           Format{8, bf16_to_float, float_to_bf16, 0x7f80}),
                         [](const auto& info) { return info.param.exponent_bits == 5 ? "Half" : "Bf16"; });

TEST(Dtype, NamesSizesAndFloatingTypes) {
  struct Row {
    DType type;
    std::string_view name;
    std::size_t bytes;
    bool floating;
  };
  for (const Row& row :
       {Row{DType::kF64, "F64", 8, true}, Row{DType::kF32, "F32", 4, true}, Row{DType::kF16, "F16", 2, true},
        Row{DType::kBF16, "BF16", 2, true}, Row{DType::kI64, "I64", 8, false}, Row{DType::kI32, "I32", 4, false},
        Row{DType::kU8, "U8", 1, false}}) {
    EXPECT_EQ(name_of(row.type), row.name);
    EXPECT_EQ(size_of(row.type), row.bytes) << row.name;
    EXPECT_EQ(is_floating(row.type), row.floating) << row.name;
  }
}

}  // namespace
}  // namespace emo
