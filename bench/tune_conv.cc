// Times every plan of conv2d on this GPU, for the generator's convolutions. A plan that beats the counted one by 2 % becomes
// a row of kernels/conv2d_measured.inc:
//   build/bin/tune_conv --out kernels/conv2d_measured.inc
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "engine/backend/cuda/generator_plan.h"
#include "engine/backend/cuda/memory.h"
#include "kernels/conv2d_cut.h"
#include "kernels/first_layer.h"
#include "kernels/heads.h"
#include "weights/layers.h"

namespace emo {
namespace {

struct Options {
  std::vector<int> batches = {1, 8, 64};
  std::vector<std::string> math = {"fp16", "bf16", "tf32", "fp32"};
  int width = 64, size = 128, runs = 20;
  std::string out;
};

constexpr double kWorthARow = 0.98;  // of the counted plan's time; clocks move by about as much

/// A convolution that the engine runs. The heads' sums stay fp32 and have no moments.
struct Conv {
  ConvShape shape;
  bool head = false;
  bool operator==(const Conv&) const = default;
};

/// Those of a generator, each once.
std::vector<Conv> convs_of(const GeneratorConfig& config, int N) {
  std::vector<Conv> convs;
  const auto layers = generator_layers(config);
  for (const LayerSpec& l : layers) {
    ConvShape s{N,   l.in.H, l.in.W, padded_channels(l.C_in), padded_channels(l.C_out), l.K, l.K,
                l.S, l.P,    l.P,    l.op == Op::kDeconv};
    if (&l == &layers.front()) s = first_conv(N, l.C_out, l.in.H, l.in.W, l.K);
    const bool head = l.act == Act::kTanh || l.act == Act::kSigmoid;
    if (head) s = head_conv(N, l.C_in, l.in.H, l.in.W, l.K);
    if (std::find(convs.begin(), convs.end(), Conv{s, head}) == convs.end()) convs.push_back({s, head});
  }
  return convs;
}

std::vector<ConvPlan> plans_of(MathType math, const ConvShape& s, bool wgmma) {
  std::vector<ConvPlan> plans;
  for (int tile = 0; tile < kWgmmaTileCount && wgmma; ++tile) {
    if (fits_cluster(s, kWgmmaTiles[tile])) plans.push_back({tile, 1, true});
  }
  for (int tile = 0; tile < kConvTileCount && !wgmma; ++tile) {
    for (int splits = 1; splits <= chunks_of(math, s); ++splits) plans.push_back({tile, splits});
  }
  return plans;
}

/// Values as a network has them, so that the multipliers toggle as they do there: a MiB of random ones, repeated.
DeviceBuffer<std::byte> operands(MathType math, std::size_t count, const char* what) {
  constexpr std::size_t kBlock = 1 << 20;
  const int K = kStepBytes / operand_bytes(math), rows = kBlock / kStepBytes;
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  std::vector<float> values(std::size_t(K) * rows);
  for (float& v : values) v = normal(random);
  const auto block = pack_conv_weights(math, {1, 1, 1, K, rows, 1, 1}, values, rows, K);
  DeviceBuffer<std::byte> buffer(count * operand_bytes(math), what);
  for (std::size_t at = 0; at < buffer.size(); at += kBlock) {
    const std::size_t bytes = std::min(kBlock, buffer.size() - at);
    EMO_CUDA(cudaMemcpy(buffer.data() + at, block.data(), bytes, cudaMemcpyHostToDevice));
  }
  return buffer;
}

/// Buffers for one convolution, and the time that it takes under a plan.
class Trial {
 public:
  Trial(MathType math, const ConvShape& s, bool head)
      : math_(math),
        shape_(s),
        head_(head),
        x_(operands(math, s.in().count(), "a layer's input")),
        weights_(operands(math, std::size_t(s.parities()) * s.C_out * steps_of(math, s) * (kStepBytes / operand_bytes(math)),
                          "a layer's weights")),
        y_(s.out().count(), "a layer's output"),
        moments_(std::size_t(s.N) * s.strips() * s.C_out, "a layer's moments") {}

  /// The median of five graphs of `runs` calls each; microseconds a call.
  double us(const ConvPlan& plan, int runs) const {
    const ConvWorkspaceSize size = conv2d_workspace(math_, shape_, plan);
    const DeviceBuffer<float> sums(size.floats, "a split's sums");
    const DeviceBuffer<unsigned> counters(std::vector<unsigned>(size.counters, 0), "a split's counters");
    cudaGraph_t graph = nullptr;
    EMO_CUDA(cudaStreamBeginCapture(stream_.get(), cudaStreamCaptureModeThreadLocal));
    for (int i = 0; i < runs; ++i) {
      conv2d(math_, shape_, plan, x_.data(), weights_.data(), y_.data(), !head_ && sums_as_operands(math_),
             {nullptr, 0, head_ ? nullptr : moments_.data()}, {sums.data(), counters.data()}, stream_.get());
    }
    EMO_CUDA(cudaStreamEndCapture(stream_.get(), &graph));
    cudaGraphExec_t calls = nullptr;
    EMO_CUDA(cudaGraphInstantiate(&calls, graph, 0));
    cudaEvent_t from = nullptr, to = nullptr;
    EMO_CUDA(cudaEventCreate(&from));
    EMO_CUDA(cudaEventCreate(&to));
    EMO_CUDA(cudaGraphLaunch(calls, stream_.get()));  // warms up
    std::vector<float> times_ms(5);
    for (float& ms : times_ms) {
      EMO_CUDA(cudaEventRecord(from, stream_.get()));
      EMO_CUDA(cudaGraphLaunch(calls, stream_.get()));
      EMO_CUDA(cudaEventRecord(to, stream_.get()));
      EMO_CUDA(cudaEventSynchronize(to));
      EMO_CUDA(cudaEventElapsedTime(&ms, from, to));
    }
    cudaEventDestroy(from);
    cudaEventDestroy(to);
    cudaGraphExecDestroy(calls);
    cudaGraphDestroy(graph);
    std::nth_element(times_ms.begin(), times_ms.begin() + 2, times_ms.end());
    return times_ms[2] * 1e3 / runs;
  }

 private:
  MathType math_;
  ConvShape shape_;
  bool head_;
  DeviceBuffer<std::byte> x_, weights_;
  DeviceBuffer<float> y_;  // operands take half of it
  DeviceBuffer<Moments> moments_;
  Stream stream_;
};

MathType math_of(const std::string& name) {
  for (const MathType math : {MathType::kF16, MathType::kBF16, MathType::kTF32, MathType::kFP32}) {
    if (name == name_of(math)) return math;
  }
  fail(ErrorKind::kUsage, "--math ", name, ": there is no such type; use fp16, bf16, tf32 or fp32");
}

/// A row of conv2d_measured.inc, without its comment.
std::string row_of(int multiprocessors, MathType math, bool wgmma, const ConvShape& s, const ConvPlan& plan) {
  constexpr const char* kNames[] = {"kF16", "kBF16", "kTF32", "kFP32"};
  const auto word = [](bool v) { return v ? "true" : "false"; };
  return concat("{", multiprocessors, ", MathType::", kNames[int(math)], ", ", word(wgmma), ", {", s.N, ", ", s.H, ", ", s.W,
                ", ", s.C_in, ", ", s.C_out, ", ", s.KH, ", ", s.KW, ", ", s.S, ", ", s.PH, ", ", s.PW, ", ",
                word(s.transposed), "}, ", plan.tile, ", ", plan.splits, "},");
}

/// Times one convolution by one instruction; prints what came of it, and gives the row if it is worth one.
std::string tune(const Options& options, int multiprocessors, MathType math, const Conv& conv, bool wgmma) {
  const auto& [s, head] = conv;
  const Trial trial(math, s, head);
  const ConvPlan counted = counted_plan(math, s, multiprocessors, wgmma);
  const double counted_us = trial.us(counted, options.runs);
  ConvPlan best = counted;
  double best_us = counted_us;
  for (const ConvPlan& plan : plans_of(math, s, wgmma)) {
    if (plan == counted) continue;
    const double us = trial.us(plan, options.runs);
    if (us < best_us) best = plan, best_us = us;
  }
  const double flops = 2. * s.N * s.parities() * s.pixels() * s.C_out * s.taps() * s.C_in;
  std::printf("%-4s %-5s %s to %s: counted {%d, %d} %.1f us, best {%d, %d} %.1f us, %.1f TFLOP/s\n", name_of(math),
              wgmma ? "wgmma" : "mma", concat(s.in()).c_str(), concat(s.out()).c_str(), counted.tile, counted.splits,
              counted_us, best.tile, best.splits, best_us, flops / best_us * 1e-6);
  std::fflush(stdout);
  if (best_us > kWorthARow * counted_us) return "";
  char comment[100];
  std::snprintf(comment, sizeof comment, "  // %.1f us, counted {%d, %d} %.1f us\n", best_us, counted.tile, counted.splits,
                counted_us);
  return row_of(multiprocessors, math, wgmma, s, best) + comment;
}

/// Comments and other cards' rows stay; this card's old rows go.
void write_rows(const std::string& path, int multiprocessors, const std::string& rows) {
  std::string kept;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with(concat("{", multiprocessors, ","))) kept += line + '\n';
  }
  in.close();
  std::ofstream out(path);
  out << kept << rows;
  if (!out.flush()) fail(ErrorKind::kInput, path, ": cannot be written; choose another --out");
}

void tune_all(const Options& options) {
  GeneratorConfig config;
  config.conv_dim = options.width;
  config.image_size = options.size;
  int device = 0;
  cudaDeviceProp card{};
  EMO_CUDA(cudaGetDevice(&device));
  EMO_CUDA(cudaGetDeviceProperties(&card, device));
  std::printf("%s, %d multiprocessors\n", card.name, card.multiProcessorCount);
  std::string rows;
  for (const std::string& name : options.math) {
    const MathType math = math_of(name);
    for (const int N : options.batches) {
      for (const Conv& conv : convs_of(config, N)) {
        rows += tune(options, card.multiProcessorCount, math, conv, false);
        if (has_wgmma() && takes_wgmma(math, conv.shape)) rows += tune(options, card.multiProcessorCount, math, conv, true);
      }
    }
  }
  std::printf("%s", rows.empty() ? "nothing beats counting by 2 %\n" : rows.c_str());
  if (!options.out.empty()) write_rows(options.out, card.multiProcessorCount, rows);
}

}  // namespace
}  // namespace emo

int main(int argc, char** argv) {
  emo::Options options;
  CLI::App app("tune_conv: finds the fastest plans of the generator's convolutions on this GPU", "tune_conv");
  app.add_option("--batches", options.batches, "images a call")
      ->delimiter(',')
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_option("--math", options.math, "fp16, bf16, tf32, fp32")->delimiter(',')->capture_default_str();
  app.add_option("--width", options.width, "filters of the first convolution")
      ->check(CLI::Range(1, 512))
      ->capture_default_str();
  app.add_option("--size", options.size, "side of the picture, px")->capture_default_str();
  app.add_option("--runs", options.runs, "calls that are timed together")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  app.add_option("-o,--out", options.out, "the file whose rows for this card are replaced");
  CLI11_PARSE(app, argc, argv);
  try {
    emo::tune_all(options);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "tune_conv: %s\n", e.what());
    return 1;
  }
}
