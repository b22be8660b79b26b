#include "engine/backend/cuda/reader.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "tests/close.h"
#include "tests/golden_reader.h"

namespace emo {
namespace {

TEST(CudaReader, AgreesWithPyTorchOneCropOrMany) {
  const GoldenReader golden;
  const CudaReader reader(golden.model(), 1);
  const auto read = [&](auto crops, auto answers) { reader.read(crops, answers); };
  const auto all = golden.answers(read), first = golden.answers(read, 1);
  expect_close(all, golden.floats("answers"), kReaderTolerance);
  EXPECT_TRUE(std::ranges::equal(first, std::span(all).first(first.size())));
}

TEST(CudaReader, NaNIsAnErrorThatNamesTheCrop) {
  const GoldenReader golden;
  const CudaReader reader(golden.model(), 1);
  EXPECT_THAT(golden.refusal_of_nan([&](auto crops, auto answers) { reader.read(crops, answers); }),
              testing::HasSubstr("read: crop 2 of 3 was read as NaN or infinity under "));
}

}  // namespace
}  // namespace emo
