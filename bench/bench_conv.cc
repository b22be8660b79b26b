// The generator's convolutions by themselves, each shape once, on the device: what bench/peers_gpu.py holds cuDNN's best
// against, but for main.0 and img_reg.0, which are 7x1 parts of a 7x7: unfold_rows, fold_aus and heads are not in their
// times. With bias and moments; in and out in the operand's type.
#include <set>
#include <vector>

#include "base/error.h"
#include "bench/bench.h"
#include "bench/device_time.h"
#include "kernels/first_layer.h"
#include "kernels/heads.h"
#include "kernels/layout.h"
#include "tests/random_generator.h"
#include "weights/layers.h"

namespace emo {
namespace {

/// The layer as the backend computes it: the first without its AU planes, both heads as one.
ConvShape conv_of(const LayerSpec& layer, int N) {
  const Shape& in = layer.in;
  if (layer.key == "main.0") return first_conv(N, layer.C_out, in.H, in.W, layer.K);
  if (layer.key == "img_reg.0") return head_conv(N, in.C, in.H, in.W, layer.K);
  return {N, in.H, in.W, layer.C_in, layer.C_out, layer.K, layer.K, layer.S, layer.P, layer.P, layer.op == Op::kDeconv};
}

/// A random picture, N times: (N,H,W,C) in the operand's type.
DeviceBuffer<std::byte> operand(MathType math, Shape s) {
  const Shape one{1, s.C, s.H, s.W};
  const DeviceBuffer<float> planes(random_values(one.count(), 1), "planes");
  DeviceBuffer<std::byte> x(s.count() * operand_bytes(math), "pictures");
  for (int n = 0; n < s.N; ++n) {
    std::byte* at = x.data() + n * one.count() * operand_bytes(math);
    if (math == MathType::kF16) {
      nchw_to_nhwc(planes.data(), reinterpret_cast<__half*>(at), one, s.C, nullptr);
    } else if (math == MathType::kBF16) {
      nchw_to_nhwc(planes.data(), reinterpret_cast<__nv_bfloat16*>(at), one, s.C, nullptr);
    } else {
      nchw_to_nhwc(planes.data(), reinterpret_cast<float*>(at), one, s.C, nullptr);
    }
  }
  EMO_CUDA(cudaDeviceSynchronize());
  return x;
}

DeviceBuffer<std::byte> packed_weights(MathType math, const ConvShape& s) {
  const std::vector<float> values = random_values(std::size_t(s.KH) * s.KW * s.C_in * s.C_out, 2, -0.1f, 0.1f);
  const std::vector<std::byte> packed = pack_conv_weights(math, s, values, s.C_out, s.C_in);
  return {packed, "weights"};
}

void conv(benchmark::State& state, MathType math, Precision precision, bool wgmma, const LayerSpec& layer, int N) {
  const ConvShape s = conv_of(layer, N);
  const ConvPlan plan = conv2d_plan(math, s, device_attribute(cudaDevAttrMultiProcessorCount), wgmma);
  const ConvWorkspaceSize size = conv2d_workspace(math, s, plan);
  const std::vector<float> zeros(s.C_out, 0);
  const std::vector<unsigned> idle(size.counters, 0);
  const auto weights = packed_weights(math, s);
  // In turns, so that at 64 images each call finds its input where the network leaves it: in memory, not in an L2 of 50 MB.
  constexpr int kCalls = 20, kTurns = 3;
  std::vector<DeviceBuffer<std::byte>> x, y;
  for (int i = 0; i < kTurns; ++i) {
    x.push_back(operand(math, s.in()));
    y.emplace_back(s.out().count() * operand_bytes(math), "y");
  }
  const DeviceBuffer<float> bias(zeros, "bias"), sums(size.floats, "sums");
  const DeviceBuffer<unsigned> counters(idle, "counters");
  const DeviceBuffer<Moments> moments(std::size_t(N) * s.strips() * s.C_out, "moments");

  const Stream stream;
  const Graph graph(stream, [&] {
    for (int i = 0; i < kCalls; ++i) {
      conv2d(math, s, plan, x[i % kTurns].data(), weights.data(), y[i % kTurns].data(), true,
             {bias.data(), 0, moments.data()}, {sums.data(), counters.data()}, stream.get());
    }
  });
  const Latencies calls = time_replays(state, stream, graph, kCalls);
  state.SetLabel(concat("tile ", plan.tile, ", splits ", plan.splits));
  calls.report(state);
  const Work work{2. * s.taps() * s.C_in * double(s.out().count()),
                  double(x[0].size() + weights.size() + y[0].size() + moments.size() * sizeof(Moments))};
  report_work(state, work, calls.median(), ceiling(BackendKind::kCuda, precision));
}

}  // namespace

void register_all() {
  struct Type {
    MathType math;
    Precision precision;
  };
  std::vector<Type> types{{MathType::kF16, Precision::kFp16},
                          {MathType::kBF16, Precision::kBf16},
                          {MathType::kTF32, Precision::kTf32},
                          {MathType::kFP32, Precision::kFp32}};
  std::erase_if(types, [](const Type& type) { return !has_ceiling({BackendKind::kCuda, type.precision}); });
  std::set<std::string> shapes;
  if (types.empty()) return;
  for (const LayerSpec& layer : generator_layers(GeneratorConfig{})) {
    const ConvShape s = conv_of(layer, 1);
    if (layer.key == "attetion_reg.0" || !shapes.insert(concat(s.in(), s.out(), s.KH, s.transposed)).second) continue;
    for (const Type& type : types) {
      for (const bool wgmma : {false, true}) {
        if (wgmma && !(may_use_wgmma && has_wgmma() && takes_wgmma(type.math, s))) continue;
        for (const int N : {1, 8, 64}) {
          const std::string title = concat("BM_Conv/layer:", layer.key, "/precision:", name_of(type.precision),
                                           "/instruction:", wgmma ? "wgmma" : "mma", "/N:", N);
          benchmark::RegisterBenchmark(title.c_str(), conv, type.math, type.precision, wgmma, layer, N)
              ->UseManualTime()
              ->Iterations(kReplays)
              ->Unit(benchmark::kMicrosecond);
        }
      }
    }
  }
}

}  // namespace emo
