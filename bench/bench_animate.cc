// What `emoengine animate` does with the sample portrait and a sample voice, against its generator alone in the
// same run: H.264 into a file. The rest (crop, paste, encode) is to hide behind the generator: the share that is left of its
// rate is told.
#include <string>
#include <vector>

#include "base/error.h"
#include "bench/bench.h"
#include "bench/latencies.h"
#include "engine/expression/animation.h"
#include "engine/media/video.h"
#include "tests/temp_dir.h"
#include "tools/emoengine/frames.h"

namespace emo {
namespace {

constexpr double kFps = 25;

void animate(benchmark::State& state, const Target& target, const std::string& generator) {
  const Engine engine({.generator = std::string(EMO_SOURCE_DIR "/weights/") + generator + ".safetensors",
                       .speech = EMO_SOURCE_DIR "/weights/speech.safetensors",
                       .backend = target.options()});
  const Image photo = media().load_image(EMO_SOURCE_DIR "/samples/astronaut.png", {});
  const std::vector<Box> faces = media().find_faces(photo, nullptr);
  const Face cut = engine.cut(photo, faces.at(0));
  const Clip voice = media().load_audio(EMO_SOURCE_DIR "/samples/surprised.flac", engine.speech_config().sample_rate_hz, {});
  const AuCurve spoken = engine.aus_per_frame(voice.pcm, kFps);
  const AuCurve curve = animation_curve(spoken, spoken.rows.size(), {.fps = kFps});
  const std::size_t frames = curve.rows.size();
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
      cli::Progress progress("animate", "frames", frames, true);
      cli::draw(engine, *source, curve, *writer, progress, [] { return false; });
      writer->finish();
    });
  }
  state.SetLabel(engine.backend().describe());
  whole.report(state);
  state.counters["frames"] = double(frames);
  state.counters["frames_per_s"] = double(frames) / whole.median();
  state.counters["generator_per_s"] = double(frames) / alone.median();
  state.counters["share_of_generator"] = alone.median() / whole.median();
}

}  // namespace

void register_all() {
  for (const Target& target : targets()) {
    for (const char* generator : {"generator", "generator-lite"}) {
      const std::string title = concat("BM_Animate/", target.title(), "/photo:512/", generator);
      benchmark::RegisterBenchmark(title.c_str(), animate, target, generator)->Unit(benchmark::kMillisecond);
    }
  }
}

}  // namespace emo
