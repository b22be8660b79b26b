#include "engine/backend/cuda/backend.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cstdlib>

#include "tests/close.h"
#include "tests/cpu/narrow_generator.h"
#include "tests/random_image.h"
#include "tests/random_speech.h"
#include "tests/throws.h"
#ifdef EMO_SIMT
#include "tests/simt/planted.h"
#endif

namespace emo {
namespace {

std::unique_ptr<Backend> open(const Model& model) { return make_cuda_backend({model.file.get(), nullptr}, {}); }

#ifdef EMO_SIMT  // devices and faults of every kind
class CudaBackend : public testing::Test {
 protected:
  ~CudaBackend() override {
    simt::set_device(usual_);
    simt::reset();
  }
  /// Plays another device from here on.
  template <typename Change>
  void play(const Change& change) {
    simt::Device device = usual_;
    change(device);
    simt::set_device(device);
  }
  static std::string refusal() {
    return text_of(ErrorKind::kDevice, [] { make_cuda_backend({}, {}); });
  }
  const simt::Device usual_ = simt::device();
};

TEST_F(CudaBackend, SaysWhatItRunsOn) {
  EXPECT_EQ(make_cuda_backend({}, {})->describe(),
            "cuda: a CPU that plays a GPU, compute capability 9.0, 8 "
            "multiprocessors, fp16, wgmma from 8 images on");
  play([](simt::Device& device) { device.major = 8, device.minor = 6; });
  EXPECT_EQ(make_cuda_backend({}, {.precision = Precision::kTf32})->describe(),
            "cuda: a CPU that plays a GPU, compute capability 8.6, 8 "
            "multiprocessors, tf32");
}

TEST_F(CudaBackend, SaysWhatIsMissing) {
  play([](simt::Device& device) { device.driver = 0; });
  EXPECT_EQ(refusal(),
            "cuda: no NVIDIA driver is installed here; install one "
            "for CUDA 13.0, or use `backend` cpu");
  play([](simt::Device& device) { device.driver = 12040; });
  EXPECT_EQ(refusal(),
            "cuda: the NVIDIA driver here is for CUDA 12.4; one for 13.0 or "
            "newer is needed: update it, or use `backend` cpu");
  play([](simt::Device& device) { device.count = 0; });
  EXPECT_EQ(refusal(),
            "cuda: the NVIDIA driver finds no GPU (no CUDA-capable "
            "device is detected); look at nvidia-smi and "
            "CUDA_VISIBLE_DEVICES, or use `backend` cpu");
  play([](simt::Device& device) { device.major = 7, device.minor = 5; });
  EXPECT_EQ(refusal(),
            "cuda: a CPU that plays a GPU has compute capability "
            "7.5; 8.0 or newer is needed: use `backend` cpu");
}

TEST_F(CudaBackend, OutOfMemoryNamesWhatWasNeeded) {
  const Model model(narrow(4, 1, 32));  // 64 images of which need a MiB, and its weights 16 KiB
  Batch batch(64, 32), small(1, 32);
  const auto backend = open(model);
  backend->generate(small.call());
  const auto whole = [](std::size_t bytes) { return concat(bytes >> 20); };
  play([](simt::Device& device) { device.memory_bytes = simt::allocated_bytes() + (1 << 12); });
  EXPECT_THAT(text_of(ErrorKind::kMemory, [&] { backend->generate(batch.call()); }),
              testing::MatchesRegex("cuda: the generator's activations needs [1-9][0-9]* MiB of the "
                                    "GPU's memory, and [0-9]+ of "
                                    "its " +
                                    whole(simt::device().memory_bytes) +
                                    " MiB are free; close what else uses it, or "
                                    "use `backend` cpu"));
  EXPECT_NO_THROW(backend->generate(small.call()));  // what is short of memory lives
  EXPECT_THAT(text_of(ErrorKind::kMemory, [&] { open(model); }),
              testing::StartsWith("cuda: the generator's weights needs "));
}

TEST_F(CudaBackend, EveryCallSelectsTheChosenDeviceAndThenTheCallersAgain) {
  play([](simt::Device& device) { device.count = 2; });
  const Model model(narrow(4, 1, 16));
  SpeechConfig config;
  config.lstm_hidden = 19;
  config.feature_mean.assign(39, 0), config.feature_std.assign(39, 1);
  const TemporaryModel weights(config);
  const ModelFile speech(weights.path());
  Batch batch(1, 16);
  Image photo = noise(60, 50, 5);
  const std::vector<float> au(17);
  const auto pcm = random_values(4'000, 4, -0.1f, 0.1f);
  for (const int chosen : {0, 1}) {
    const int other = 1 - chosen;
    ASSERT_EQ(cudaSetDevice(other), cudaSuccess);
    const auto expect_unselected = [&](const char* call) {
      int device = -1;
      cudaGetDevice(&device);
      EXPECT_EQ(device, other) << call;
    };
    const std::size_t there = simt::allocated_bytes_on(chosen), elsewhere = simt::allocated_bytes_on(other);
    auto backend = make_cuda_backend({model.file.get(), &speech}, {.device = chosen});
    expect_unselected("open");
    backend->generate(batch.call());
    expect_unselected("generate");
    backend->crop(photo, {0, 0, 20}, {batch.out.data(), batch.shape});
    expect_unselected("crop");
    std::vector<RedrawJob> jobs{{.photo = photo, .box = {3, 4, 30}, .aus = au, .out = photo}};
    backend->redraw(jobs);
    expect_unselected("redraw");
    backend->speech(pcm, {});
    expect_unselected("speech");
    EXPECT_GT(simt::allocated_bytes_on(chosen), there);
    EXPECT_EQ(simt::allocated_bytes_on(other), elsewhere);
    backend.reset();
    expect_unselected("close");
    EXPECT_EQ(simt::allocated_bytes_on(chosen), there);
  }
  cudaSetDevice(0);
  for (const int index : {2, -1}) {
    EXPECT_EQ(text_of(ErrorKind::kDevice, [&] { make_cuda_backend({}, {.device = index}); }),
              concat("cuda: `device` is ", index, "; the GPUs here are 0 to 1"));
  }
}

__global__ void one_thread_stays_away() {
  if (threadIdx.x != 33) __syncthreads();
}

TEST_F(CudaBackend, AFailureOfTheGpuIsTheEndOfIt) {
  const Model model(narrow(4, 1, 8));
  const auto backend = open(model);
  Batch batch(1, 8);
  backend->generate(batch.call());
  launch("planted", "of a test", one_thread_stays_away, {.grid = 1, .block = 64});
  cudaDeviceSynchronize();
  const std::string dead = text_of(ErrorKind::kDevice, [&] { backend->generate(batch.call()); });
  EXPECT_THAT(dead, testing::MatchesRegex("cuda: dead since the GPU failed \\(cuda: .*: "
                                          "unspecified launch failure \\[.*\\]\\); "
                                          "start the program again, or use `backend` cpu"));
  simt::reset();  // even then: what it has on the device is not to be trusted
  Image photo(20, 20);
  EXPECT_EQ(text_of(ErrorKind::kDevice, [&] { backend->generate(batch.call()); }), dead);
  EXPECT_EQ(text_of(ErrorKind::kDevice, [&] { backend->mfcc({}); }), dead);
  EXPECT_EQ(text_of(ErrorKind::kDevice, [&] { backend->crop(photo, {0, 0, 20}, {batch.out.data(), batch.shape}); }), dead);
  EXPECT_EQ(backend->describe(), dead);
  EXPECT_NO_THROW(open(model)->generate(batch.call()));
}

#endif

TEST(CudaBackendCalls, NeedAModelOfTheirKind) {
  const auto backend = make_cuda_backend({}, {});
  Batch batch(1, 16);
  Image photo(20, 20);
  const auto text = [](const auto& action) { return text_of(ErrorKind::kInternal, action); };
  EXPECT_EQ(text([&] { backend->generate(batch.call()); }), "cuda: no generator was opened");
  EXPECT_EQ(text([&] {
              backend->crop(photo, {0, 0, 20}, {batch.out.data(), batch.shape});
            }),
            "cuda: no generator was opened");
  EXPECT_EQ(text([&] { backend->speech({}, {}); }), "cuda: no speech model was opened");
}

TEST(CudaBackendCalls, RedrawIsCropGenerateAndPaste) {
  const Model model(narrow(4, 1, 16));
  const auto backend = open(model);
  for (const float gain : {1.f, 1e6f}) {  // with the second, fp16 does not hold one of the faces
    Image got = noise(60, 50, 5), want = got;
    auto aus = random_values(17, 3, 0, 1);
    for (float& au : aus) au *= gain;
    const std::vector<float> neutral(17);
    const auto jobs = [&](Image& photo) {
      return std::vector<RedrawJob>{{.photo = photo, .box = {3, 4, 30}, .aus = aus, .out = photo},
                                    {.photo = photo, .box = {20.5f, 10, 24}, .aus = neutral, .out = photo}};
    };
    auto got_jobs = jobs(got), want_jobs = jobs(want);
    backend->redraw(got_jobs);
    backend->Backend::redraw(want_jobs);
    EXPECT_EQ(got.rgb, want.rgb);
    EXPECT_NE(got.rgb, noise(60, 50, 5).rgb);
  }
}

TEST(CudaBackendCalls, RedrawInPassesIsThatOfTheHost) {
  for (const bool keeps : {true, false}) {
    GeneratorConfig config = narrow(4, 1, 16);
    config.mask_keeps_image = keeps;
    const Model model(config);
    const auto backend = open(model);
    const Image photo = noise(60, 50, 5);
    const auto aus = random_values(17, 3, 0, 1);
    struct Redrawn {
      Image out;
      std::vector<float> after = std::vector<float>(3 * 256), mask = std::vector<float>(256),
                         colour = std::vector<float>(3 * 256);
      RedrawJob job(const Image& photo, std::span<const float> aus, int passes) {
        return {.photo = photo,
                .box = {3, 4, 30},
                .aus = aus,
                .passes = passes,
                .out = out,
                .after = after.data(),
                .mask = mask.data(),
                .colour = colour.data()};
      }
    };
    for (const int passes : {1, 3}) {
      Redrawn got{photo}, want{photo};
      RedrawJob got_job = got.job(photo, aus, passes), want_job = want.job(photo, aus, passes);
      backend->redraw({&got_job, 1});
      backend->Backend::redraw({&want_job, 1});
      EXPECT_EQ(got.after, want.after);
      expect_close(got.mask, want.mask, 1e-6);      // a product of three, rounded otherwise where the compiler fuses
      expect_close(got.colour, want.colour, 1e-5);  // weights of up to 1 over a difference that may be small
      EXPECT_NE(got.out.rgb, photo.rgb);
      int worst = 0;
      for (std::size_t i = 0; i < photo.rgb.size(); ++i) worst = std::max(worst, std::abs(got.out.rgb[i] - want.out.rgb[i]));
      EXPECT_LE(worst, 1);
    }
  }
}

TEST(CudaBackendCalls, AFaceCutBeforeNeedsNoPhoto) {
  const Model model(narrow(4, 1, 16));
  const auto backend = open(model);
  const Image photo = noise(60, 50, 5);
  const auto aus = random_values(17, 3, 0, 1);
  std::vector<float> cut(3 * 256), got(3 * 256), want(3 * 256);
  const Shape shape{1, 3, 16, 16};
  backend->crop(photo, {3, 4, 30}, {cut.data(), shape});
  RedrawJob alone{.aus = aus, .cut = {cut.data(), shape}, .after = got.data()};
  RedrawJob in_photo{.photo = photo, .box = {3, 4, 30}, .aus = aus, .after = want.data()};
  backend->redraw({&alone, 1});
  backend->redraw({&in_photo, 1});
  EXPECT_EQ(got, want);
}

TEST(CudaBackendCalls, AGreyPhotoStaysGrey) {
  const Model model(narrow(4, 1, 16));
  const auto backend = open(model);
  const auto aus = random_values(17, 3, 0, 1);
  Image photo = noise(60, 50, 5);
  for (std::size_t i = 0; i < photo.rgb.size(); i += 3) photo.rgb[i] = photo.rgb[i + 2] = photo.rgb[i + 1];
  const Image before = photo;
  const Box box{3, 4, 30};
  RedrawJob job{.photo = photo, .box = box, .aus = aus, .tone = tone_of(photo, box), .out = photo};
  backend->redraw({&job, 1});
  EXPECT_NE(photo.rgb, before.rgb);
  for (std::size_t i = 0; i < photo.rgb.size(); i += 3) {
    ASSERT_TRUE(photo.rgb[i] == photo.rgb[i + 1] && photo.rgb[i] == photo.rgb[i + 2]) << i;
  }
}

TEST(CudaBackendCalls, JobsOfOtherPassesGoTogether) {
  const Model model(narrow(4, 1, 16));
  const auto backend = open(model);
  const auto aus = random_values(17, 3, 0, 1);
  Image together[] = {noise(60, 50, 5), noise(60, 50, 6)}, alone[] = {together[0], together[1]};
  const auto job = [&](Image& photo, int passes) {
    return RedrawJob{.photo = photo, .box = {3, 4, 30}, .aus = aus, .passes = passes, .out = photo};
  };
  RedrawJob both[] = {job(together[0], 1), job(together[1], 2)};
  backend->redraw(both);
  for (int i = 0; i < 2; ++i) {
    RedrawJob one = job(alone[i], i + 1);
    backend->Backend::redraw({&one, 1});
    EXPECT_EQ(together[i].rgb, alone[i].rgb);
  }
}

#ifdef EMO_HAVE_CPU
TEST(CudaBackendCalls, SpeechIsThatOfTheCpu) {
  SpeechConfig config;
  config.lstm_hidden = 19;
  config.feature_mean.assign(39, 0), config.feature_std.assign(39, 1);
  const TemporaryModel weights(config);
  const ModelFile model(weights.path());
  const auto cuda = make_cuda_backend({nullptr, &model}, {});
  const auto cpu = open_cpu_backend({nullptr, &model}, {});
  const auto pcm = random_values(16'000, 4, -0.1f, 0.1f);
  expect_close(cuda->mfcc(pcm).values, cpu->mfcc(pcm).values, 1e-3);
  expect_close(cuda->speech(pcm, {}).values, cpu->speech(pcm, {}).values, 1e-4);
  const double times[] = {0.2, 0.5};
  expect_close(cuda->speech(pcm, times).values, cpu->speech(pcm, times).values, 1e-4);
}
#endif

}  // namespace
}  // namespace emo
