// The whole way of a checkpoint: converted by the converter, run by the engine, compared with PyTorch's fp64 forward pass
// (tests/golden/make_checkpoints.py).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/backend/backend.h"
#include "tests/golden_generator.h"
#include "tests/throws.h"

namespace emo {
namespace {

BackendOptions cpu_in(Precision precision) { return {.kind = BackendKind::kCpu, .precision = precision}; }

class GeneratorGolden : public testing::TestWithParam<const char*> {};

TEST_P(GeneratorGolden, EngineAgreesWithPyTorch) {
  const GoldenGenerator golden(GetParam());
  golden.expect_golden(golden.of(*open_backend({&golden.model(), nullptr}, cpu_in(Precision::kFp32))));
}

TEST_P(GeneratorGolden, Bf16StaysWithin45Decibels) {
  if (!__builtin_cpu_supports("avx512bf16")) {
    // Elsewhere tests/cpu/generator_test.cc proves it by a reference that rounds; here bf16 has to be refused.
    EXPECT_THAT(text_of(ErrorKind::kDevice, [] { open_backend({}, cpu_in(Precision::kBf16)); }), testing::HasSubstr("bf16"));
    return;
  }
  const GoldenGenerator golden(GetParam());
  const auto answer = golden.of(*open_backend({&golden.model(), nullptr}, cpu_in(Precision::kBf16)));
  EXPECT_GE(psnr(answer.out, golden.floats("out")), 45);
}

INSTANTIATE_TEST_SUITE_P(Layouts, GeneratorGolden, testing::Values("albertpumarola", "donydchen", "vipermu"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace emo
