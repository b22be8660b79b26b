// The network at the size that is shipped, which a CPU that plays a GPU takes too long for: 64 filters, 128x128.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <thread>
#include <vector>

#include "engine/backend/cuda/backend.h"
#include "engine/backend/cuda/generator_plan.h"
#include "tests/close.h"
#include "tests/random_generator.h"
#include "tests/temp_dir.h"

namespace emo {
namespace {

constexpr Precision kPrecisions[] = {Precision::kFp32, Precision::kTf32, Precision::kBf16, Precision::kFp16};
constexpr int kSide = 128, kImages = 64, kAus = 17;
constexpr std::size_t kImage = std::size_t(3) * kSide * kSide;

class FullSize : public testing::Test {
 protected:
  FullSize()
      : file_((write_random_generator(folder_ / "full.safetensors", {}), folder_ / "full.safetensors")),
        faces_(random_values(kImages * kImage, 1)),
        aus_(random_values(kImages * kAus, 2, 0, 1)) {}

  std::unique_ptr<Backend> open(Precision precision) const {
    return make_cuda_backend({&file_, nullptr}, {BackendKind::kCuda, precision});
  }

  /// The images [first, first + N) in one call.
  std::vector<float> generate(const Backend& backend, int first, int N) const {
    std::vector<float> out(N * kImage);
    const Shape shape{N, 3, kSide, kSide};
    backend.generate(
        {{&faces_[first * kImage], shape}, {&aus_[first * kAus], {N, kAus, 1, 1}}, {out.data(), shape}, {}, {}});
    return out;
  }

 private:
  TempDir folder_;
  ModelFile file_;
  std::vector<float> faces_, aus_;
};

bool same_bytes(const float* a, const float* b, std::size_t count) { return std::memcmp(a, b, count * sizeof(float)) == 0; }

TEST_F(FullSize, EveryPrecisionStaysCloseToFp32) {
  const std::vector<float> want = generate(*open(Precision::kFp32), 0, 2);
  for (const Precision precision : {Precision::kTf32, Precision::kBf16, Precision::kFp16}) {
    SCOPED_TRACE(name_of(precision));
    EXPECT_GE(psnr(generate(*open(precision), 0, 2), want), precision == Precision::kBf16 ? 45 : 60);
  }
}

TEST_F(FullSize, SameBytesAtAnyBatchAndPosition) {
  for (const Precision precision : kPrecisions) {
    SCOPED_TRACE(name_of(precision));
    const auto backend = open(precision);
    const std::vector<float> all = generate(*backend, 0, kImages);
    const bool wgmma = has_wgmma() && (precision == Precision::kFp16 || precision == Precision::kBf16);
    for (const auto& [first, N] : {std::pair{0, 1}, {1, 1}, {63, 1}, {5, 8}, {40, 19}}) {
      // wgmma may round otherwise: what is too small for it is held against the largest batch that is, too.
      constexpr int kFew = kWgmmaBatch - 1;
      const bool few = wgmma && N <= kFew;
      const int from = few ? std::clamp(first - 3, 0, kImages - kFew) : 0;
      const std::vector<float> want = few ? generate(*backend, from, kFew) : all;
      EXPECT_TRUE(same_bytes(generate(*backend, first, N).data(), &want[(first - from) * kImage], N * kImage))
          << first << ", " << N;
    }
  }
}

TEST_F(FullSize, SameBytesOnEveryRunAndInConcurrentCalls) {
  for (const Precision precision : kPrecisions) {
    SCOPED_TRACE(name_of(precision));
    const auto backend = open(precision);
    const std::vector<float> want = generate(*backend, 0, 8);
    std::vector<int> different(4, 0);
    {
      std::vector<std::jthread> threads;
      for (int& count : different) {
        threads.emplace_back([&] {
          for (int i = 0; i < 10; ++i) count += !same_bytes(generate(*backend, 0, 8).data(), want.data(), want.size());
        });
      }
    }
    EXPECT_EQ(different, std::vector<int>(4, 0));
  }
}

}  // namespace
}  // namespace emo
