// The launches of the generator, as the engine asks for them, without a GPU: for tools/roofline.py.
//
//   build/bin/simt_list_launches 1 8 64    one line of JSON a launch, fp16 on an H200, batches of 1, 8 and 64
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <vector>

#include "engine/backend/cuda/generator.h"
#include "simt/simt.h"
#include "tests/random_generator.h"
#include "tests/temp_dir.h"

namespace emo {
namespace {

constexpr int kMultiprocessors = 132;

nlohmann::json describe(const GeneratorPlan& plan, std::size_t i) {
  const GeneratorPlan::Row& row = plan.rows[i];
  const ConvShape& s = row.conv;
  return {{"key", plan.layers[i].key},
          {"N", s.N},
          {"pixels", s.pixels()},
          {"parities", s.parities()},
          {"C_in", s.C_in},
          {"C_out", s.C_out},
          {"taps", s.taps()},
          {"strips", s.strips()},
          {"in_bytes", row.input.bytes},
          {"sums_bytes", row.sums.bytes},
          {"tile", row.cut.tile},
          {"splits", row.cut.splits},
          {"wgmma", row.cut.wgmma},
          {"border", i == 0},
          {"head", plan.layers[i].norm == Norm::kNone},
          {"adds", plan.layers[i].adds_block_input}};
}

void list(const ModelFile& file, int N) {
  const GeneratorConfig& config = file.generator();
  const int side = config.image_size, aus = int(config.au_names.size());
  const GeneratorPlan plan(config, MathType::kF16, side, N, GpuTraits::current());
  std::vector<simt::LaunchRecord> launches;
  simt::watch_launches([&](const simt::LaunchRecord& launch) { launches.push_back(launch); });
  std::vector<float> faces(std::size_t(N) * 3 * side * side), rates(std::size_t(N) * aus), out(faces.size());
  const Shape shape{N, 3, side, side};
  CudaGenerator(file, Precision::kFp16)
      .generate({{faces.data(), shape}, {rates.data(), {N, aus, 1, 1}}, {out.data(), shape}, {}, {}});
  simt::watch_launches(nullptr);

  std::size_t row = 0;
  bool convolved = false;
  for (std::size_t i = 0; i < launches.size() / 2; ++i) {  // asked for once to run, once for the graph
    const simt::LaunchRecord& l = launches[i];
    const bool conv = l.name.starts_with("conv2d");
    row += conv && convolved;
    convolved = convolved || conv;
    const nlohmann::json line = {{"kernel", l.name},
                                 {"N", N},
                                 {"grid", {l.grid.x, l.grid.y, l.grid.z}},
                                 {"threads", l.block.x * l.block.y * l.block.z},
                                 {"smem", l.smem_bytes},
                                 {"cluster", l.cluster},
                                 {"early", l.early},
                                 {"row", describe(plan, row)}};
    std::printf("%s\n", line.dump().c_str());
  }
}

}  // namespace
}  // namespace emo

int main(int argc, char** argv) {
  simt::Device card;
  card.multiprocessors = emo::kMultiprocessors;
  card.memory_bytes = std::size_t(64) << 30;
  simt::set_device(card);
  const emo::TempDir folder;
  emo::write_random_generator(folder / "generator.safetensors", {});
  const emo::ModelFile file(folder / "generator.safetensors");
  for (int i = 1; i < argc; ++i) emo::list(file, std::atoi(argv[i]));
}
