// The recurrent part of one LSTM layer by itself, on the device: one clip of 300 frames. Its input's product is not in it.
#include <vector>

#include "base/error.h"
#include "bench/bench.h"
#include "bench/device_time.h"
#include "kernels/lstm.h"
#include "tests/random_generator.h"

namespace emo {
namespace {

void sequence(benchmark::State& state, int hidden) {
  constexpr int kSteps = 300, kCalls = 5;
  const LstmPlan plan = lstm_plan(hidden, 1, device_attribute(cudaDevAttrMultiProcessorCount), lstm_has_clusters());
  const std::size_t gates = std::size_t(4) * hidden;
  const DeviceBuffer<float> w_hh(random_values(gates * hidden, 1, -0.1f, 0.1f), "weights"),
      bias(random_values(gates, 2), "bias");
  const DeviceBuffer<float> input(random_values(kSteps * gates, 3), "gates"), states(std::size_t(kSteps) * hidden, "states");
  const DeviceBuffer<LstmClip> clips(std::vector<LstmClip>{{0, kSteps}}, "clips");
  const DeviceBuffer<unsigned> arrived(1, "counter");

  const Stream stream;
  const Graph graph(stream, [&] {
    for (int i = 0; i < kCalls; ++i) {
      lstm({hidden, 1, w_hh.data(), bias.data()}, plan, input.data(), clips.data(), 1, states.data(), arrived.data(),
           stream.get());
    }
  });
  const Latencies calls = time_replays(state, stream, graph, kCalls);
  state.SetLabel(concat(plan.blocks, " blocks", plan.cluster ? ", a cluster" : "", ", ", plan.lanes, " lanes a unit"));
  calls.report(state);
  state.counters["us_per_step"] = calls.median() * 1e6 / kSteps;
}

}  // namespace

void register_all() {
  if (!has_ceiling({BackendKind::kCuda, Precision::kFp32})) return;
  for (const int hidden : {96, 256}) {
    benchmark::RegisterBenchmark(concat("BM_Lstm/hidden:", hidden, "/steps:300").c_str(), sequence, hidden)
        ->UseManualTime()
        ->Iterations(kReplays)
        ->Unit(benchmark::kMicrosecond);
  }
}

}  // namespace emo
