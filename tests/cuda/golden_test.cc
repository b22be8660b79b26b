// The CUDA backend against what PyTorch and torchaudio gave: all that a machine without the CPU backend can be asked.
#include "tests/cpu/golden.h"

#include <gtest/gtest.h>

#include <cstring>

#include "engine/backend/cuda/backend.h"
#include "tests/close.h"
#include "tests/random_speech.h"
#include "tests/temp_dir.h"
#include "weights/convert.h"

namespace emo {
namespace {

// Peak to peak is 2. What the operands' 8 or 11 bits cost, as the engine promises it.
double decibels(Precision precision) { return precision == Precision::kBf16 ? 45 : 60; }

TEST(CudaGolden, GeneratorAgreesWithPyTorch) {
  for (const std::string layout : {"albertpumarola", "donydchen", "vipermu"}) {
    const TempDir dir;
    convert(golden_path("checkpoints/" + layout + ".pth"), dir / "g.safetensors", {});
    const ModelFile model(dir / "g.safetensors");
    const SafeTensors golden(golden_path("generator_" + layout + ".safetensors"));
    const auto faces = read_floats(golden, "face"), aus = read_floats(golden, "au"), want = read_floats(golden, "out");
    const int N = int(golden.at("face").shape.at(0)), S = int(golden.at("face").shape.at(3));
    const Shape shape{N, 3, S, S}, mask_shape{N, 1, S, S};
    for (const Precision precision : {Precision::kFp32, Precision::kTf32, Precision::kBf16, Precision::kFp16}) {
      SCOPED_TRACE(layout + ", " + name_of(precision));
      std::vector<float> out(shape.count()), mask(mask_shape.count()), colour(shape.count());
      make_cuda_backend({&model, nullptr}, {BackendKind::kCuda, precision})
          ->generate({{faces.data(), shape},
                      {aus.data(), {N, int(aus.size()) / N, 1, 1}},
                      {out.data(), shape},
                      {mask.data(), mask_shape},
                      {colour.data(), shape}});
      if (precision == Precision::kFp32) {
        // As for the CPU: PyTorch's own fp32 forward pass of the full network differs by 1.4e-5 from its fp64 one.
        expect_close(out, want, 1e-4);
        expect_close(mask, read_floats(golden, "mask"), 1e-4);
        expect_close(colour, read_floats(golden, "colour"), 1e-4);
      } else {
        EXPECT_GE(psnr(out, want), decibels(precision));
      }
    }
  }
}

TEST(CudaGolden, MfccAgreesWithTorchaudio) {
  const SafeTensors golden(golden_path("speech_mfcc.safetensors"));
  for (const auto& [name, json] : golden.metadata()) {
    SCOPED_TRACE(name);
    const TemporaryModel on_disk(std::get<SpeechConfig>(config_from_json(json, name, true)));
    const ModelFile model(on_disk.path());
    const Matrix got = make_cuda_backend({nullptr, &model}, {BackendKind::kCuda})
                           ->mfcc(read_floats(golden, name.substr(0, name.find('/')) + ".pcm"));
    expect_close(got.values, read_matrix(golden, name).values, 1e-2);  // as the CPU's, whose test derives it
  }
}

TEST(CudaGolden, AusAgreeWithPyTorch) {
  const SafeTensors golden(golden_path("speech_aus.safetensors"));
  std::vector<double> times(golden.at("times").count());
  std::memcpy(times.data(), golden.at("times").bytes.data(), golden.at("times").bytes.size());
  for (const std::string name : {"mean", "last"}) {
    const ModelFile model(golden_path("speech_" + name + ".safetensors"));
    const auto backend = make_cuda_backend({nullptr, &model}, {BackendKind::kCuda});
    for (const std::string signal : {"spoken", "voice", "click", "short"}) {
      SCOPED_TRACE(name + " " + signal);
      const auto pcm = read_floats(golden, signal + ".pcm");
      const std::string key = name + "/" + signal;
      expect_close(backend->speech(pcm, {}).values, read_floats(golden, key + "/clip"), 2e-5);
      expect_close(backend->speech(pcm, times).values, read_floats(golden, key + "/frames"), 2e-5);
    }
  }
}

}  // namespace
}  // namespace emo
