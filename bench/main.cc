#include <benchmark/benchmark.h>

#include "bench/bench.h"

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  emo::register_all();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
