#include "engine/backend/cpu/reader.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "tests/close.h"
#include "tests/golden_reader.h"
#include "tests/throws.h"

namespace emo {
namespace {

TEST(CpuReader, AgreesWithPyTorchOneCropOrMany) {
  const GoldenReader golden;
  ThreadPool pool(2);
  const CpuReader reader(golden.model(), pool, 1);
  const auto read = [&](auto crops, auto answers) { reader.read(crops, answers); };
  const auto all = golden.answers(read), first = golden.answers(read, 1);
  expect_close(all, golden.floats("answers"), kReaderTolerance);
  EXPECT_TRUE(std::ranges::equal(first, std::span(all).first(first.size())));
}

TEST(CpuReader, SameBytesAtAnyNumberOfThreads) {
  const GoldenReader golden;
  std::vector<std::vector<float>> answers;
  for (const int threads : {1, 2, 3}) {
    ThreadPool pool(threads);
    const CpuReader reader(golden.model(), pool, 1);
    answers.push_back(golden.answers([&](auto crops, auto to) { reader.read(crops, to); }));
  }
  EXPECT_EQ(answers[0], answers[1]);
  EXPECT_EQ(answers[0], answers[2]);
}

TEST(CpuReader, NaNIsAnErrorThatNamesTheCrop) {
  const GoldenReader golden;
  ThreadPool pool(1);
  const CpuReader reader(golden.model(), pool, 1);
  EXPECT_THAT(golden.refusal_of_nan([&](auto crops, auto answers) { reader.read(crops, answers); }),
              testing::AllOf(testing::HasSubstr("read: crop 2 of 3 was read as NaN or infinity under "),
                             testing::HasSubstr("r.safetensors; other weights or another picture are needed")));
}

TEST(CpuReader, ShapesThatDoNotFitAreRefused) {
  const GoldenReader golden;
  ThreadPool pool(1);
  const CpuReader reader(golden.model(), pool, 1);
  std::vector<float> values(3 * 40 * 40);
  EXPECT_THAT(text_of(ErrorKind::kInternal,
                      [&] {
                        reader.read({values.data(), {1, 3, 20, 20}}, {values.data(), {1, 974, 1, 1}});
                      }),
              testing::HasSubstr("read: the crops have shape (1,3,20,20); (1,3,40,40) is needed"));
  EXPECT_THAT(text_of(ErrorKind::kInternal,
                      [&] {
                        reader.read({values.data(), {1, 3, 40, 40}}, {values.data(), {1, 973, 1, 1}});
                      }),
              testing::HasSubstr("read: the answers have shape (1,973,1,1); (1,974,1,1) is needed"));
}

}  // namespace
}  // namespace emo
