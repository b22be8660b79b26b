// What `emoengine animate` does, against the generator alone in the same run: the sample portrait, the default generator,
// H.264 into a file. The rest (crop, paste, encode) is to hide behind the generator: the share that is left of its rate is
// told.
#include <string>
#include <vector>

#include "base/error.h"
#include "bench/bench.h"
#include "bench/latencies.h"
#include "engine/media/video.h"
#include "tests/random_generator.h"
#include "tests/temp_dir.h"
#include "tools/emoengine/frames.h"

namespace emo {
namespace {

constexpr int kFrames = 50;
constexpr double kFps = 25;

AuCurve random_curve(const std::vector<std::string>& names) {
  AuCurve curve;
  for (int i = 0; i < kFrames; ++i) {
    curve.times_s.push_back(i / kFps);
    curve.rows.emplace_back(names, random_values(names.size(), unsigned(i), 0, 0.5f));
  }
  return curve;
}

void animate(benchmark::State& state, const Target& target) {
  const Engine engine(
      {.generator = EMO_SOURCE_DIR "/weights/generator.safetensors", .speech = {}, .backend = target.options()});
  const Image photo = media().load_image(EMO_SOURCE_DIR "/samples/astronaut.png", {});
  const std::vector<Box> faces = media().find_faces(photo, nullptr);
  const Face cut = engine.cut(photo, faces.at(0));
  const AuCurve curve = random_curve(engine.generator_config().au_names);
  const auto generate = [&] {
    for (const ActionUnits& au : curve.rows) benchmark::DoNotOptimize(engine.redraw(cut, au));
  };
  warm_up([&] { engine.redraw(cut, curve.rows[0]); });

  const TempDir folder;
  Latencies alone, whole;
  for (auto _ : state) {  // by turns: what else the machine does falls on both
    alone.time(generate);
    whole.time([&] {
      const auto writer = video().write(folder / "a.mp4", {kFps, {}});
      const auto source = cli::photo_source({photo, faces});
      cli::Progress progress("animate", "frames", kFrames, true);
      cli::draw(engine, *source, curve, *writer, progress, [] { return false; });
      writer->finish();
    });
  }
  state.SetLabel(engine.backend().describe());
  whole.report(state);
  state.counters["frames_per_s"] = kFrames / whole.median();
  state.counters["generator_per_s"] = kFrames / alone.median();
  state.counters["share_of_generator"] = alone.median() / whole.median();
}

}  // namespace

void register_all() {
  for (const Target& target : targets()) {
    const std::string title = concat("BM_Animate/", target.title(), "/photo:512/frames:", kFrames);
    benchmark::RegisterBenchmark(title.c_str(), animate, target)->Unit(benchmark::kMillisecond);
  }
}

}  // namespace emo
