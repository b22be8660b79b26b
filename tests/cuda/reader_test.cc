#include "engine/backend/cuda/reader.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <limits>

#include "tests/close.h"
#include "tests/golden_reader.h"
#include "tests/throws.h"

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
  auto crops = golden.floats("crops");
  crops[crops.size() / 3 + 5] = std::numeric_limits<float>::quiet_NaN();  // of the second
  std::vector<float> answers(3 * 974);
  EXPECT_THAT(text_of(ErrorKind::kModel,
                      [&] {
                        reader.read({crops.data(), {3, 3, 40, 40}}, {answers.data(), {3, 974, 1, 1}});
                      }),
              testing::HasSubstr("read: crop 2 of 3 was read as NaN or infinity under "));
}

}  // namespace
}  // namespace emo
