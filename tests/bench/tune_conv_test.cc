// The tuner, run through tests/simt: its times mean nothing there, what it says and writes does.
#include <gmock/gmock.h>

#include "base/error.h"
#include "tests/tools/program.h"

namespace emo {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::StartsWith;

class TuneConv : public ProgramTest {};

constexpr const char* kSmall = " --width 16 --size 8 --batches 2 --runs 1 --math fp16 ";

TEST_F(TuneConv, TimesEveryConvolutionOnceByEachInstructionThatTakesIt) {
  const Outcome got = run(kSmall);
  EXPECT_EQ(got.code, 0) << got.err;
  EXPECT_THAT(got.out, HasSubstr("a CPU that plays a GPU, 8 multiprocessors\n"));
  const std::string tail = ": counted \\{[0-9], [0-9]\\} [0-9.]+ us, best \\{[0-9], [0-9]\\} [0-9.]+ us, [0-9.]+ TFLOP/s\n";
  for (const char* layer : {"mma   \\(2,24,8,8\\) to \\(2,16,8,8\\)", "mma   \\(2,16,8,8\\) to \\(2,32,4,4\\)",
                            "mma   \\(2,32,4,4\\) to \\(2,64,2,2\\)", "mma   \\(2,64,2,2\\) to \\(2,64,2,2\\)",
                            "wgmma \\(2,64,2,2\\) to \\(2,64,2,2\\)", "mma   \\(2,64,2,2\\) to \\(2,32,4,4\\)",
                            "wgmma \\(2,64,2,2\\) to \\(2,32,4,4\\)", "mma   \\(2,32,4,4\\) to \\(2,16,8,8\\)",
                            "mma   \\(2,16,8,8\\) to \\(2,32,8,8\\)"}) {
    EXPECT_THAT(got.out, ContainsRegex(std::string("fp16 ") + layer + tail));
  }
}

TEST_F(TuneConv, RowsOfThisCardAreReplacedAndOthersKept) {
  const std::string other = "{132, MathType::kF16, true, {8, 32, 32, 256, 256, 3, 3, 1, 1, 1, false}, 0, 1},  // 1.0 us";
  write_file(dir_ / "rows.inc", "// a comment\n{8, MathType::kF16, false, {}, 9, 9},\n" + other + "\n");
  const Outcome got = run(concat(kSmall, "--out rows.inc"));
  EXPECT_EQ(got.code, 0) << got.err;
  const std::string rows = read_file(dir_ / "rows.inc");
  EXPECT_THAT(rows, StartsWith("// a comment\n" + other + "\n"));
  EXPECT_THAT(rows.substr(("// a comment\n" + other + "\n").size()),
              MatchesRegex("(\\{8, MathType::kF16, (true|false), \\{2, [0-9, ]*(true|false)\\}, [0-9], [0-9]\\},  // "
                           "[0-9.]+ us, counted \\{[0-9], [0-9]\\} [0-9.]+ us\n)*"));
}

TEST_F(TuneConv, WhatItCannotUseIsOneSentence) {
  EXPECT_EQ(run("--math fp8").err, "tune_conv: --math fp8: there is no such type; use fp16, bf16, tf32 or fp32\n");
  EXPECT_EQ(run(concat(kSmall, "--out no/such/folder")).err,
            "tune_conv: no/such/folder: cannot be written; choose another --out\n");
  EXPECT_EQ(run("--runs 0").code, 105);  // CLI11's own
}

}  // namespace
}  // namespace emo
