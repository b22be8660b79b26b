// The program itself with the CUDA backend. It opens the libemo_cuda.so that tests/simt makes of the backend's own sources.
#include <dlfcn.h>
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "engine/installation.h"
#include "engine/media/media.h"
#include "tests/close.h"
#include "tests/tools/program.h"

namespace emo {
namespace {

class CudaProgram : public ProgramTest {
 protected:
  Outcome with_cuda(const std::string& arguments) const { return script(EMO_SIMT_BINARY " " + arguments); }
  std::vector<float> pixels(const std::string& name) const {
    const Image image = media().load_image(dir_ / name, {});
    return {image.rgb.begin(), image.rgb.end()};
  }
};

std::vector<float> aus_of(const Outcome& outcome) {
  std::vector<float> values;
  const auto answer = nlohmann::json::parse(outcome.out);
  for (const auto& value : answer.at("au")) values.push_back(value);
  return values;
}

bool has_driver() { return ::dlopen("libcuda.so.1", RTLD_LAZY) != nullptr; }

TEST_F(CudaProgram, RunGivesThePictureThatTheCpuGives) {
  const std::string inputs = "run --json -i " + source("samples/astronaut.png") + " -a " + source("samples/happy.flac");
  const Outcome cuda = with_cuda(inputs + " --backend cuda -o cuda.png");
  ASSERT_EQ(cuda.code, 0) << cuda.err;
  EXPECT_EQ(cuda.err, "");
  EXPECT_THAT(nlohmann::json::parse(cuda.out).at("backend"), testing::StartsWith("cuda: a CPU that plays a GPU"));
  const Outcome cpu = run(inputs + " --backend cpu --precision fp32 -o cpu.png");
  ASSERT_EQ(cpu.code, 0) << cpu.err;

  expect_close(aus_of(cuda), aus_of(cpu), 1e-4);
  // fp16 keeps 60 dB; a byte, rounded, then moves to a neighbour where its value lay near a half.
  expect_close(pixels("cuda.png"), pixels("cpu.png"), 1);
}

TEST_F(CudaProgram, AbsentBackendIsAnErrorThatSaysWhatIsMissing) {
  if (has_driver()) GTEST_SKIP() << "there is a GPU here";
  const Outcome outcome = run("mfcc -a " + source("samples/happy.flac") + " -o f.npy --backend cuda");
  EXPECT_EQ(outcome.code, 5);
#ifdef EMO_HAVE_CUDA
  EXPECT_EQ(outcome.err,
            "emoengine: cuda: no NVIDIA driver is installed here; install one for CUDA 13.0, or use --backend cpu\n");
#else
  EXPECT_EQ(outcome.err,
            "emoengine: cuda: the CUDA backend cannot be loaded (" + plugin_path("libemo_cuda.so").string() +
                ": cannot open shared object file: No such file or directory). Install CUDA's cuBLAS and cuFFT, configure "
                "with -DEMO_CUDA=ON and build, or use --backend cpu\n");
#endif
}

TEST_F(CudaProgram, AutoTakesTheCpuWithoutAWordWhereThereIsNoGpu) {
  if (has_driver()) GTEST_SKIP() << "there is a GPU here";
  const Outcome outcome = run("mfcc -a " + source("samples/happy.flac") + " -o f.npy");
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.err, "");
}

}  // namespace
}  // namespace emo
