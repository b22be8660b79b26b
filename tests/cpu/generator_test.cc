#include "tests/reference/generator.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <thread>

#include "tests/close.h"
#include "tests/cpu/narrow_generator.h"
#include "tests/throws.h"

namespace emo {
namespace {

std::vector<float> floats(const reference::Values& v) { return {v.begin(), v.end()}; }

bool has_bf16() {
  try {
    open_cpu_backend({}, {BackendKind::kCpu, Precision::kBf16, 1});
    return true;
  } catch (const Error&) {
    return false;
  }
}

std::vector<Precision> precisions() {
  std::vector<Precision> list{Precision::kFp32};
  if (has_bf16()) list.push_back(Precision::kBf16);
  return list;
}

void expect_same_bytes(const std::vector<float>& got, const float* want) {
  EXPECT_EQ(std::memcmp(got.data(), want, got.size() * sizeof(float)), 0);
}

TEST(Generator, EqualsItsDefinition) {
  for (GeneratorConfig config : {narrow(), narrow(5, 1, 20), narrow(7, 1, 8), narrow(16, 3, 12)}) {
    for (const bool plain : {true, false}) {
      if (!plain) {
        config.norm_affine = false, config.mask_keeps_image = false, config.au_scale = 5, config.norm_eps = 0.01;
        config.au_names = {"AU01", "AU12"};
      }
      const Model model(config);
      Batch batch(1, config.image_size, 7, int(config.au_names.size()));
      model.open()->generate(batch.call());
      const auto want = reference::generate(*model.file, batch.faces, batch.aus, config.image_size);
      // The bound that the engine promises against PyTorch.
      expect_close(batch.out, floats(want.out), 1e-4);
      expect_close(batch.mask, floats(want.mask), 1e-4);
      expect_close(batch.colour, floats(want.colour), 1e-4);
    }
  }
}

TEST(Generator, ShowsEveryLayerInOrder) {
  const Model model(narrow());
  const auto backend = model.open();
  Batch batch(1, 16);
  const auto want = reference::generate(*model.file, batch.faces, batch.aus, 16);
  std::vector<std::string> names;
  const LayerSink sink = [&](const std::string& name, TensorView<const float> view) {
    names.push_back(name);
    const auto& layer = want.layers.at(name);
    expect_close(view.span(), floats(layer), 1e-4 * std::max(1., *std::max_element(layer.begin(), layer.end())));
  };
  GenerateCall call = batch.call();
  call.mask.data = call.colour.data = nullptr;
  call.sink = &sink;
  backend->generate(call);
  std::vector<std::string> expected;
  for (const LayerSpec& layer : generator_layers(model.file->generator())) expected.push_back(layer.key);
  expected.push_back("output");
  EXPECT_EQ(names, expected);
}

TEST(Generator, TakesOtherSidesThanItsOwn) {
  const Model model(narrow());
  const auto backend = model.open();
  for (const int side : {8, 36, 16}) {
    Batch batch(1, side);
    backend->generate(batch.call());
    expect_close(batch.out, floats(reference::generate(*model.file, batch.faces, batch.aus, side).out), 1e-4);
  }
}

TEST(Generator, RefusesSidesThatTheNetworkCannotTake) {
  const Model model(narrow());
  const auto backend = model.open();
  for (const int side : {4, 7, 10, 2048}) {
    Batch batch(1, side);
    EXPECT_EQ(
        text_of(ErrorKind::kModel, [&] { backend->generate(batch.call()); }),
        concat("generator: cannot take a picture with a side of ", side, " px; a multiple of 4 from 8 to 1024 is needed"));
  }
}

TEST(Generator, RefusesShapesThatDoNotFit) {
  const Model model(narrow());
  const auto backend = model.open();
  Batch batch(2, 16);
  const auto text = [&](auto change) {
    GenerateCall call = batch.call();
    change(call);
    return text_of(ErrorKind::kInternal, [&] { backend->generate(call); });
  };
  EXPECT_EQ(text([](GenerateCall& c) { c.faces.shape.W = 12; }),
            "generate: the faces have shape (2,3,16,12); (N,3,S,S) is needed");
  EXPECT_EQ(text([](GenerateCall& c) { c.aus.shape.C = 16; }),
            "generate: the AUs have shape (2,16,1,1); (2,17,1,1) is needed");
  EXPECT_EQ(text([](GenerateCall& c) { c.out.shape.N = 1; }),
            "generate: the output has shape (1,3,16,16); (2,3,16,16) is needed");
  EXPECT_EQ(text([](GenerateCall& c) { c.mask.shape.C = 3; }),
            "generate: the mask has shape (2,3,16,16); (2,1,16,16) is needed");
  EXPECT_EQ(text([](GenerateCall& c) { c.colour.shape.C = 1; }),
            "generate: the colour has shape (2,1,16,16); (2,3,16,16) is needed");
  const LayerSink sink = [](const std::string&, TensorView<const float>) {};
  EXPECT_EQ(text([&](GenerateCall& c) { c.sink = &sink; }), "generate: layers can be watched for 1 image, not for 2");
}

TEST(Generator, SameBytesAtAnyBatchThreadCountAndRun) {
  // 16 filters and a side of 52: strips that do not divide evenly, at which oneDNN's own threading gives other bytes.
  const Model model(narrow(16, 2, 52));
  for (const Precision precision : precisions()) {
    Batch batch(3, 52);
    model.open(precision, 1)->generate(batch.call());
    for (const int threads : {1, 2, 3, 4, 8}) {
      const auto backend = model.open(precision, threads);
      for (int run = 0; run < 2; ++run) {
        Batch again(3, 52);
        backend->generate(again.call());
        expect_same_bytes(again.out, batch.out.data());
        expect_same_bytes(again.mask, batch.mask.data());
        expect_same_bytes(again.colour, batch.colour.data());
      }
      for (int n = 0; n < 3; ++n) {
        Batch one(1, 52);
        const std::size_t count = one.faces.size();
        one.faces.assign(batch.faces.begin() + n * count, batch.faces.begin() + (n + 1) * count);
        one.aus.assign(batch.aus.begin() + n * 17, batch.aus.begin() + (n + 1) * 17);
        backend->generate(one.call());
        expect_same_bytes(one.out, batch.out.data() + n * count);
      }
    }
  }
}

TEST(Generator, OutputMayBeTheFacesMemory) {
  const Model model(narrow());
  const auto backend = model.open();
  Batch batch(2, 16), in_place(2, 16);
  backend->generate(batch.call());
  GenerateCall call = in_place.call();
  call.out.data = in_place.faces.data();
  backend->generate(call);
  expect_same_bytes(in_place.faces, batch.out.data());
}

TEST(Generator, NoImagesNoWork) {
  const Model model(narrow());
  Batch batch(0, 16);
  EXPECT_NO_THROW(model.open()->generate(batch.call()));
}

TEST(Generator, ThreadsShareABackend) {
  const Model model(narrow());
  const auto backend = model.open(Precision::kFp32, 3);
  std::vector<std::thread> callers;
  for (int t = 0; t < 4; ++t) {
    callers.emplace_back([&, t] {
      const int side = t % 2 ? 16 : 24;
      Batch first(1, side, 10 + t);
      backend->generate(first.call());
      for (int i = 0; i < 5; ++i) {
        Batch again(1, side, 10 + t);
        backend->generate(again.call());
        expect_same_bytes(again.out, first.out.data());
      }
    });
  }
  for (auto& caller : callers) caller.join();
}

/// Signal to noise of rounding to bf16 as the engine does, in a reference that needs no such processor.
TEST(Generator, RoundingToBf16KeepsFortyFiveDecibels) {
  const Model model(narrow(16, 6, 32));
  const Batch batch(1, 32);
  const auto exact = reference::generate(*model.file, batch.faces, batch.aus, 32);
  const auto rounded = reference::generate(*model.file, batch.faces, batch.aus, 32, true);
  EXPECT_GE(psnr(floats(rounded.out), floats(exact.out)), 45);
}

TEST(Generator, Bf16AgreesWithFp32OrIsRefused) {
  const Model model(narrow(16, 6, 32));
  if (!has_bf16()) {
    const auto text = text_of(ErrorKind::kDevice, [&] { model.open(Precision::kBf16); });
    EXPECT_NE(text.find("cpu: bf16 needs a processor with AVX-512 bf16 or AMX, and this one has "), std::string::npos)
        << text;
    return;
  }
  Batch fp32(1, 32), bf16(1, 32);
  model.open()->generate(fp32.call());
  model.open(Precision::kBf16)->generate(bf16.call());
  EXPECT_NE(fp32.out, bf16.out);
  EXPECT_GE(psnr(bf16.out, fp32.out), 45);
  const auto emulated = reference::generate(*model.file, bf16.faces, bf16.aus, 32, true);
  EXPECT_GE(psnr(bf16.out, floats(emulated.out)), 45);
}

TEST(Generator, PrecisionsThatACpuHasNot) {
  const std::string tail = has_bf16() ? "; use `precision` fp32 or bf16" : "; use `precision` fp32";
  const auto text = [](Precision p) {
    return text_of(ErrorKind::kDevice, [&] { open_cpu_backend({}, {BackendKind::kCpu, p}); });
  };
  EXPECT_EQ(text(Precision::kFp16), "cpu: does not compute in fp16" + tail);
  EXPECT_EQ(text(Precision::kTf32), "cpu: does not compute in tf32" + tail);
}

TEST(Generator, ANanNamesItsImage) {
  const Model model(narrow());
  const auto backend = model.open();
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    Batch batch(8, 16), clean(8, 16);
    backend->generate(clean.call());
    batch.faces[2 * 3 * 16 * 16 + 100] = bad;
    EXPECT_EQ(text_of(ErrorKind::kModel, [&] { backend->generate(batch.call()); }),
              "generate: image 3 of 8 came out with NaN or infinity under " + model.file->name() +
                  " in fp32; other weights or another picture are needed");
    expect_same_bytes({batch.out.begin(), batch.out.begin() + 2 * 3 * 16 * 16}, clean.out.data());
  }
}

TEST(Generator, NeedsAModelOfItsKind) {
  const auto backend = open_cpu_backend({}, {BackendKind::kCpu, Precision::kFp32, 1});
  Batch batch(1, 16);
  EXPECT_EQ(text_of(ErrorKind::kInternal, [&] { backend->generate(batch.call()); }), "cpu: no generator was opened");
  EXPECT_EQ(text_of(ErrorKind::kInternal, [&] { backend->speech({}, {}); }), "cpu: no speech model was opened");
}

TEST(Generator, SaysWhatItRunsOn) {
  const Model model(narrow());
  EXPECT_THAT(model.open(Precision::kFp32, 3)->describe(), testing::MatchesRegex("cpu: .*, fp32, 3 threads, oneDNN 2\\..*"));
}

}  // namespace
}  // namespace emo
