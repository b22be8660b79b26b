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
#include "engine/pipeline/frames.h"
#include "tests/temp_dir.h"

namespace emo {
namespace {

constexpr double kFps = 25;

void animate(benchmark::State& state, const Target& target, const std::string& generator) {
  const Engine engine({.generator = std::string(EMO_SOURCE_DIR "/weights/") + generator + ".safetensors",
                       .speech = EMO_SOURCE_DIR "/weights/speech.safetensors",
                       .backend = target.options()});
  const Image photo = media().load_image(EMO_SOURCE_DIR "/samples/astronaut.png", {});
  const std::vector<Box> faces = media().find_faces(photo, nullptr);
  const auto still = std::make_shared<const Still>(engine, photo, faces);
  const Clip voice = media().load_audio(EMO_SOURCE_DIR "/samples/surprised.flac", engine.speech_config().sample_rate_hz, {});
  const AuCurve spoken = engine.hear(voice.pcm).per_frame(kFps);
  const AuCurve curve = animation_curve(spoken, spoken.rows(), {.fps = kFps});
  const std::size_t frames = curve.rows();
  const HostBuffer<float> face(still->cuts[0].planes.size());
  const auto redraw = [&](const ActionUnits& au) {
    FaceJob job{.photo = photo, .face = faces[0], .cut = &still->cuts[0], .au = au, .after = face.data()};
    engine.redraw_all({&job, 1});
  };
  const auto generate = [&] {
    for (std::size_t i = 0; i < frames; ++i) redraw(curve.row(i));
  };
  warm_up([&] { redraw(curve.row(0)); });

  const TempDir folder;
  Latencies alone, whole;
  for (auto _ : state) {  // by turns: what else the machine does falls on both
    alone.time(generate);
    whole.time([&] {
      const auto writer = video().write(folder / "a.mp4", {kFps, {}});
      draw(engine, *photo_source(still, curve), *writer, {});
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
