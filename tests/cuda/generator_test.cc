// The generator on a GPU against the CPU backend, which tests/cpu holds to its definition and to PyTorch.
#include "engine/backend/cuda/generator.h"

#include <gmock/gmock.h>

#include <cfloat>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <thread>

#include "tests/close.h"
#include "tests/cpu/narrow_generator.h"
#include "tests/golden_generator.h"
#include "tests/reference/generator.h"
#include "tests/simt/seeds.h"
#include "tests/throws.h"

namespace emo {
namespace {

constexpr Precision kPrecisions[] = {Precision::kFp32, Precision::kTf32, Precision::kBf16, Precision::kFp16};

#ifdef EMO_HAVE_CPU
/// Half a unit in the last place of an operand, relative.
double rounding(Precision precision) {
  switch (precision) {
    case Precision::kBf16: return 1. / 256;
    case Precision::kTf32:
    case Precision::kFp16: return 1. / 2048;
    default: return FLT_EPSILON / 2;
  }
}

double rms(std::span<const float> values) {
  double sq = 0;
  for (const float v : values) sq += double(v) * v;
  return std::sqrt(sq / double(values.size()));
}

double rms_difference(std::span<const float> a, std::span<const float> b) {
  std::vector<float> difference(a.begin(), a.end());
  for (std::size_t i = 0; i < a.size(); ++i) difference[i] -= b[i];
  return rms(difference);
}

struct Layers {
  std::vector<std::string> names;
  std::map<std::string, std::vector<float>> values;
};

template <typename Generator>
Layers layers_of(const Generator& generator, int side, int aus) {
  Layers layers;
  const LayerSink sink = [&](const std::string& name, TensorView<const float> view) {
    layers.names.push_back(name);
    layers.values[name].assign(view.span().begin(), view.span().end());
  };
  Batch batch(1, side, 7, aus);
  GenerateCall call = batch.call();
  call.mask.data = call.colour.data = nullptr;
  call.sink = &sink;
  generator.generate(call);
  return layers;
}

TEST(CudaGenerator, EveryLayerIsThatOfTheCpu) {
  for (GeneratorConfig config : {narrow(), narrow(5, 1, 20), narrow(7, 1, 8), narrow(16, 3, 36)}) {
    for (const bool plain : {true, false}) {
      if (!plain) {
        config.norm_affine = false, config.mask_keeps_image = false, config.au_scale = 5, config.norm_eps = 0.01;
        config.au_names = {"AU01", "AU12"}, config.channel_order = ChannelOrder::kBgr, config.pixel_min = 0;
      }
      const Model model(config);
      const int aus = int(config.au_names.size());
      const auto want = layers_of(*model.open(), config.image_size, aus);
      for (const Precision precision : kPrecisions) {
        SCOPED_TRACE(concat(name_of(precision), ", ", config.conv_dim, " filters, plain ", plain));
        const auto got = layers_of(CudaGenerator(*model.file, precision), config.image_size, aus);
        EXPECT_EQ(got.names, want.names);
        double rows = 0;
        for (const auto& name : want.names) {
          // A row rounds operands, weights and sums, each by an error of some rounding/sqrt(3): together `rounding` a row,
          // adding up as noise does. 2 covers what a ReLU takes of the signal. In fp32 two sums of K terms in different
          // orders are 16 apart; but the CPU's, by Winograd, have five times a plain sum's roundings
          // (engine/backend/cpu/winograd.h).
          const double terms = precision == Precision::kFp32 ? 16 * std::sqrt((1 + 5 * 5) / 2.0) : 2;
          rows += 1;
          EXPECT_LE(rms_difference(got.values.at(name), want.values.at(name)),
                    terms * std::sqrt(rows) * rounding(precision) * rms(want.values.at(name)))
              << name;
        }
      }
    }
  }
}
#endif

/// Bytes of image n of a batch.
std::vector<float> image(const std::vector<float>& all, int n, int N) {
  const auto each = std::ptrdiff_t(all.size()) / N;
  return {all.begin() + n * each, all.begin() + (n + 1) * each};
}

Batch one_of(const Batch& batch, int n) {
  Batch one(1, batch.shape.H);
  one.faces = image(batch.faces, n, batch.shape.N);
  one.aus = image(batch.aus, n, batch.shape.N);
  return one;
}

TEST(CudaGenerator, EqualsItsDefinition) {
  const Model model(narrow(8, 1, 16));
  Batch batch(2, 16);
  CudaGenerator(*model.file, Precision::kFp32).generate(batch.call());
  for (int n = 0; n < 2; ++n) {
    const Batch one = one_of(batch, n);
    const auto want = reference::generate(*model.file, one.faces, one.aus, 16).out;
    expect_close(image(batch.out, n, 2), std::vector<float>(want.begin(), want.end()), 1e-4);
  }
}

void expect_same_bytes(const std::vector<float>& got, const std::vector<float>& want) {
  ASSERT_EQ(got.size(), want.size());
  EXPECT_EQ(std::memcmp(got.data(), want.data(), got.size() * sizeof(float)), 0);
}

TEST(CudaGenerator, AgreesWithPyTorchInEveryLayout) {
  for (const char* layout : {"albertpumarola", "donydchen", "vipermu"}) {
    SCOPED_TRACE(layout);
    const GoldenGenerator golden(layout);
    golden.expect_golden(golden.of(CudaGenerator(golden.model(), Precision::kFp32)));
  }
}

TEST(CudaGenerator, SameBytesAtAnyBatchPositionAndRun) {
  // 16 filters: 64 channels in the residual block, which wgmma can multiply.
  const Model model(narrow(16, 1, 32));
  for (const Precision precision : kPrecisions) {
    SCOPED_TRACE(name_of(precision));
    const CudaGenerator generator(*model.file, precision);
    constexpr int N = 3;
    Batch batch(N, 32);
    generator.generate(batch.call());
    for (int run = 0; run < 2; ++run) {  // the first asks for each kernel, the second for the graph
      Batch again(N, 32);
      generator.generate(again.call());
      expect_same_bytes(again.out, batch.out);
      for (int n = 0; n < N; ++n) {
        Batch one = one_of(batch, n);
        generator.generate(one.call());
        expect_same_bytes(one.out, image(batch.out, n, N));
        expect_same_bytes(one.mask, image(batch.mask, n, N));
        expect_same_bytes(one.colour, image(batch.colour, n, N));
      }
    }
  }
}

TEST(CudaGenerator, SameBytesInAllBatchesOfWgmma) {
  const Model model(narrow(16, 1, 16));
  const CudaGenerator generator(*model.file, Precision::kFp16);
  constexpr int N = kWgmmaBatch + 1;
  Batch all(N, 16), rest(N - 1, 16);
  std::copy(all.faces.end() - std::ptrdiff_t(rest.faces.size()), all.faces.end(), rest.faces.begin());
  std::copy(all.aus.end() - std::ptrdiff_t(rest.aus.size()), all.aus.end(), rest.aus.begin());
  generator.generate(all.call());
  generator.generate(rest.call());
  for (int n = 1; n < N; ++n) expect_same_bytes(image(rest.out, n - 1, N - 1), image(all.out, n, N));
}

TEST(CudaGenerator, WithoutWgmmaEveryBatchIsMmas) {
  const Model model(narrow(16, 1, 16));
  const CudaGenerator generator(*model.file, Precision::kFp16, {}, 2, 0, /*may_use_wgmma=*/false);
  Batch batch(kWgmmaBatch, 16);
  generator.generate(batch.call());
  Batch one = one_of(batch, 3);
  generator.generate(one.call());
  expect_same_bytes(one.out, image(batch.out, 3, kWgmmaBatch));
}

TEST(CudaGenerator, LargeBatchesAreCut) {
  const Model model(narrow(2, 1, 8));
  const CudaGenerator generator(*model.file, Precision::kFp16);
  constexpr int N = CudaGenerator::kMaxImages + 3;
  Batch batch(N, 8);
  generator.generate(batch.call());
  for (const int n : {0, CudaGenerator::kMaxImages - 1, CudaGenerator::kMaxImages, N - 1}) {
    Batch one = one_of(batch, n);
    generator.generate(one.call());
    expect_same_bytes(one.out, image(batch.out, n, N));
  }
}

TEST(CudaGenerator, ThreadsShareAGenerator) {
  const Model model(narrow(4, 1, 8));
  const CudaGenerator generator(*model.file, Precision::kFp16);
  std::vector<std::thread> callers;
  for (int t = 0; t < 4; ++t) {
    callers.emplace_back([&, t] {
      const int side = t % 2 ? 8 : 12;
      Batch first(1 + t / 2, side, 10 + t);
      generator.generate(first.call());
      for (int i = 0; i < 3; ++i) {
        Batch again(1 + t / 2, side, 10 + t);
        generator.generate(again.call());
        expect_same_bytes(again.out, first.out);
      }
    });
  }
  for (auto& caller : callers) caller.join();
}

TEST(CudaGenerator, AnOrderOfThreadsDoesNotShow) {
  const Model model(narrow(8, 1, 16));
  const CudaGenerator generator(*model.file, Precision::kFp16);
  Batch want(2, 16);
  generator.generate(want.call());
  for_each_seed([&] {
    Batch got(2, 16);
    generator.generate(got.call());
    expect_same_bytes(got.out, want.out);
  });
}

#ifdef EMO_SIMT
TEST(CudaGenerator, AllocatesNothingOnceItHasSeenACall) {
  const Model model(narrow(4, 1, 8));
  const CudaGenerator generator(*model.file, Precision::kFp16);
  Batch large(3, 8), small(1, 8);
  generator.generate(large.call());
  const std::size_t before = simt::allocated_bytes();
  generator.generate(small.call());
  generator.generate(large.call());
  EXPECT_EQ(simt::allocated_bytes(), before);
}
#endif

#ifdef EMO_SIMT
TEST(CudaGenerator, PreparedBatchesAllocateAndRecordNothingAfterwards) {
  const Model model(narrow(4, 1, 8));
  std::vector<Batch> wants;
  const CudaGenerator plain(*model.file, Precision::kFp16);
  for (const int N : {1, 2, 3}) plain.generate(wants.emplace_back(N, 8).call());
  const CudaGenerator generator(*model.file, Precision::kFp16, {}, 1, 3);
  const std::size_t memory = simt::allocated_bytes();
  const int graphs = simt::recorded_graphs();
  for (Batch& want : wants) {
    Batch got(want.shape.N, 8);
    generator.generate(got.call());
    expect_same_bytes(got.out, want.out);
    EXPECT_EQ(simt::allocated_bytes(), memory);
    EXPECT_EQ(simt::recorded_graphs(), graphs);
  }
}

TEST(CudaGenerator, OtherBatchesLeaveThePreparedOnesAlone) {
  const Model model(narrow(4, 1, 8));
  const CudaGenerator generator(*model.file, Precision::kFp16, {}, 1, 2);
  Batch large(5, 8), small(2, 8), other(1, 12);
  generator.generate(large.call());
  generator.generate(other.call());
  const std::size_t memory = simt::allocated_bytes();
  const int graphs = simt::recorded_graphs();
  generator.generate(small.call());
  EXPECT_EQ(simt::allocated_bytes(), memory);
  EXPECT_EQ(simt::recorded_graphs(), graphs);
}

TEST(CudaGenerator, ThreadsWaitForTheContextsThatThereAre) {
  const Model model(narrow(4, 1, 8));
  const CudaGenerator generator(*model.file, Precision::kFp16, {}, 1);
  Batch first(2, 8);
  generator.generate(first.call());
  const std::size_t memory = simt::allocated_bytes();
  std::vector<std::thread> callers;
  for (int t = 0; t < 4; ++t) {
    callers.emplace_back([&] {
      Batch again(2, 8);
      generator.generate(again.call());
      expect_same_bytes(again.out, first.out);
    });
  }
  for (auto& caller : callers) caller.join();
  EXPECT_EQ(simt::allocated_bytes(), memory);
}
#endif

TEST(CudaGenerator, OutputMayBeTheFacesMemory) {
  const Model model(narrow(4, 1, 8));
  const CudaGenerator generator(*model.file, Precision::kFp16);
  Batch batch(2, 8), in_place(2, 8);
  generator.generate(batch.call());
  GenerateCall call = in_place.call();
  call.out.data = in_place.faces.data();
  generator.generate(call);
  expect_same_bytes(in_place.faces, batch.out);
}

TEST(CudaGenerator, OnlyWhatIsWantedIsWritten) {
  const Model model(narrow(4, 1, 8));
  const CudaGenerator generator(*model.file, Precision::kFp16);
  Batch all(2, 8), some(2, 8);
  generator.generate(all.call());
  GenerateCall call = some.call();
  call.colour.data = nullptr;
  generator.generate(call);
  expect_same_bytes(some.mask, all.mask);
  call.mask.data = nullptr;
  generator.generate(call);
  expect_same_bytes(some.out, all.out);
  EXPECT_EQ(some.colour, std::vector<float>(some.colour.size()));
}

TEST(CudaGenerator, AnImageThatFp16CannotHoldIsComputedInFp32) {
  const Model model(narrow(4, 1, 8));
  std::vector<std::string> notes;
  const CudaGenerator fp32(*model.file, Precision::kFp32);
  const CudaGenerator fp16(*model.file, Precision::kFp16, [&](const std::string& note) { notes.push_back(note); });
  Batch want(3, 8), got(3, 8);
  for (Batch* batch : {&want, &got}) {  // sums that leave fp16, though their normalisation would bring them back
    for (int i = 0; i < 3 * 17; ++i) batch->aus[i] *= i / 17 == 1 ? 1 : 1e6f;
  }
  fp32.generate(want.call());
  fp16.generate(got.call());
  for (const int n : {0, 2}) {
    expect_same_bytes(image(got.out, n, 3), image(want.out, n, 3));
    expect_same_bytes(image(got.mask, n, 3), image(want.mask, n, 3));
  }
  EXPECT_NE(image(got.out, 1, 3), image(want.out, 1, 3));  // done in fp16
  EXPECT_GE(psnr(image(got.out, 1, 3), image(want.out, 1, 3)), 60);
  fp16.generate(got.call());
  EXPECT_THAT(notes,
              testing::ElementsAre("generate: image 1 of 3 came out with NaN or infinity under " + model.file->name() +
                                   " in fp16 and is computed in fp32, as others will be; `precision` fp32 spares "
                                   "the first try"));
}

TEST(CudaGenerator, ANanNamesItsImage) {
  const Model model(narrow(4, 1, 8));
  for (const Precision precision : kPrecisions) {
    const CudaGenerator generator(*model.file, precision);
    Batch batch(4, 8), clean(4, 8);
    generator.generate(clean.call());
    batch.faces[2 * 3 * 64 + 100] = std::numeric_limits<float>::quiet_NaN();
    const bool again = precision == Precision::kFp16 || precision == Precision::kFp32;
    EXPECT_EQ(text_of(ErrorKind::kModel, [&] { generator.generate(batch.call()); }),
              "generate: image 3 of 4 came out with NaN or infinity under " + model.file->name() + " in " +
                  (again ? "fp32; other weights or another picture are needed"
                         : concat(name_of(precision), "; try `precision` fp32")));
    expect_same_bytes({batch.out.begin(), batch.out.begin() + 2 * 3 * 64},
                      {clean.out.begin(), clean.out.begin() + 2 * 3 * 64});
  }
}

TEST(CudaGenerator, RefusesWhatTheCpuRefuses) {
  const Model model(narrow(4, 1, 8));
  const CudaGenerator generator(*model.file, Precision::kFp32);
  Batch batch(2, 8), odd(1, 10);
  GenerateCall call = batch.call();
  call.aus.shape.C = 16;
  EXPECT_EQ(text_of(ErrorKind::kInternal, [&] { generator.generate(call); }),
            "generate: the AUs have shape (2,16,1,1); (2,17,1,1) is needed");
  EXPECT_EQ(text_of(ErrorKind::kModel, [&] { generator.generate(odd.call()); }),
            "generator: cannot take a picture with a side of 10 px; a multiple of 4 from 8 to 1024 is needed");
  EXPECT_EQ(text_of(ErrorKind::kInternal, [&] { generator.run_on_device(8, batch.call().aus.span().first(16), 1, {}, {}); }),
            "generate: 16 AU intensities; 17 for each of 1 to 64 faces are needed");
  EXPECT_NO_THROW(generator.generate(Batch(0, 8).call()));
}

#if defined(EMO_HAVE_CPU) && !defined(__SANITIZE_ADDRESS__)  // which makes minutes of it; it has the narrow networks
/// The published network's channels, at its full size in the precision that is the default on a GPU; its bounds are the
/// project's.
class CudaGeneratorAtFullSize : public testing::TestWithParam<Precision> {};

TEST_P(CudaGeneratorAtFullSize, AgreesWithTheCpu) {
  const Model model(GeneratorConfig{});
  const int side = GetParam() == Precision::kFp16 ? 128 : 64;
  Batch want(1, side), got(1, side);
  model.open()->generate(want.call());
  CudaGenerator(*model.file, GetParam()).generate(got.call());
  switch (GetParam()) {
    case Precision::kFp32: return expect_close(got.out, want.out, 1e-4);
    case Precision::kBf16: EXPECT_GE(psnr(got.out, want.out), 45); return;
    default: EXPECT_GE(psnr(got.out, want.out), 60);
  }
}

INSTANTIATE_TEST_SUITE_P(Precisions, CudaGeneratorAtFullSize, testing::ValuesIn(kPrecisions),
                         [](const auto& info) { return name_of(info.param); });
#endif

}  // namespace
}  // namespace emo
