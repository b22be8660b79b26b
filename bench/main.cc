#include <benchmark/benchmark.h>

#include <algorithm>
#include <string_view>

#include "bench/bench.h"

int main(int argc, char** argv) {
  const auto end = std::remove_if(argv + 1, argv + argc, [](std::string_view argument) {
    if (argument == "--no-wgmma") emo::may_use_wgmma = false;
    return argument == "--no-wgmma";
  });
  argc = int(end - argv);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  emo::register_all();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::ClearRegisteredBenchmarks();  // and what they keep open
  benchmark::Shutdown();
}
