// The whole way through Engine. Seeded weights, a synthetic photo and sound, the face's box given: no files needed.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "bench/bench.h"
#include "bench/latencies.h"
#include "engine/engine.h"
#include "tests/random_generator.h"
#include "tests/random_speech.h"
#include "tests/temp_dir.h"

namespace emo {
namespace {

constexpr int kSeconds = 4;

Box box_in(int side) { return {float(side) / 4, float(side) / 4, float(side) / 3}; }

Image noise_photo(int side) {
  Image photo(side, side);
  const auto values = random_values(photo.rgb.size(), 5, 0, 255);
  photo.rgb.assign(values.begin(), values.end());
  return photo;
}

/// Both models opened, and a clip.
struct Cascade {
  Cascade(const Target& target, int width) {
    generator.conv_dim = width;
    speech.feature_mean.assign(std::size_t(speech.features()), 0);
    speech.feature_std.assign(std::size_t(speech.features()), 10);
    write_random_generator(folder / "generator.safetensors", generator);
    const TemporaryModel speech_file(speech, random_weights(speech, 0.1f));
    engine.emplace(EngineOptions{
        .generator = folder / "generator.safetensors", .speech = speech_file.path(), .backend = target.options()});
    pcm = random_values(std::size_t(kSeconds) * std::size_t(speech.sample_rate_hz), 6, -0.2f, 0.2f);
  }

  GeneratorConfig generator;
  SpeechConfig speech;
  TempDir folder;
  std::optional<Engine> engine;
  std::vector<float> pcm;
};

void report(benchmark::State& state, const Target& target, const Cascade& cascade, const Latencies& calls) {
  state.SetLabel(cascade.engine->backend().describe());
  calls.report(state);
  state.counters["images_per_s"] = 1 / calls.median();
  report_work(state, generator_work(cascade.generator, target.precision, 1) + speech_work(cascade.speech, kSeconds),
              calls.median(), ceiling(target.backend, target.precision));
}

using KeptCascade = std::shared_ptr<Kept<Cascade>>;

/// A clip and a photo in, the photo with its face redrawn out.
void photo_to_photo(benchmark::State& state, const KeptCascade& kept, const Target& target, int width, int side) {
  const Cascade& cascade = kept->open(concat(target.title(), width), target, width);
  const Engine& engine = *cascade.engine;
  Image photo = noise_photo(side);
  const Box face = box_in(side);
  const auto put = [&](const ActionUnits& au) {
    FaceJob job{.photo = photo, .face = face, .au = au, .out = photo};
    engine.redraw_all({&job, 1});
  };
  warm_up([&] { put(engine.hear(cascade.pcm).whole()); });

  Latencies whole, listen, redraw;
  for (auto _ : state) {
    whole.time([&] {
      const ActionUnits au = listen.time([&] { return engine.hear(cascade.pcm).whole(); });
      redraw.time([&] { put(au); });
    });
  }
  report(state, target, cascade, whole);
  state.counters["speech_ms"] = listen.median() * 1e3;
  state.counters["redraw_ms"] = redraw.median() * 1e3;
}

/// A clip and a face that was cut out in, the network's face out.
void crop_to_face(benchmark::State& state, const KeptCascade& kept, const Target& target, int width) {
  const Cascade& cascade = kept->open(concat(target.title(), width), target, width);
  const Engine& engine = *cascade.engine;
  const Image photo = noise_photo(512);
  const Box box = box_in(512);
  const CutFace cut = engine.cut(photo, box);
  const HostBuffer<float> face(cut.planes.size());
  const auto redraw = [&] {
    FaceJob job{.photo = photo, .face = box, .cut = &cut, .au = engine.hear(cascade.pcm).whole(), .after = face.data()};
    engine.redraw_all({&job, 1});
    return face[0];
  };
  warm_up(redraw);
  Latencies calls;
  for (auto _ : state) benchmark::DoNotOptimize(calls.time(redraw));
  report(state, target, cascade, calls);
}

}  // namespace

void register_all() {
  const auto kept = std::make_shared<Kept<Cascade>>();
  for (const Target& target : targets()) {
    for (const int width : {64, 32}) {
      const std::string crop = concat("BM_CropToFace/", target.title(), "/width:", width, "/seconds:", kSeconds);
      benchmark::RegisterBenchmark(crop.c_str(), crop_to_face, kept, target, width)->Unit(benchmark::kMillisecond);
      for (const int side : {512, 2048}) {
        const std::string photo =
            concat("BM_Pipeline/", target.title(), "/width:", width, "/photo:", side, "/seconds:", kSeconds);
        benchmark::RegisterBenchmark(photo.c_str(), photo_to_photo, kept, target, width, side)
            ->Unit(benchmark::kMillisecond);
      }
    }
  }
}

}  // namespace emo
