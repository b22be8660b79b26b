// The whole way through Engine: a photo and a clip in, the photo with its face redrawn out. Seeded weights, a synthetic
// photo and sound, the face's box given: no files needed. A counter for each stage.
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

Image noise_photo(int side) {
  Image photo(side, side);
  const auto values = random_values(photo.rgb.size(), 5, 0, 255);
  photo.rgb.assign(values.begin(), values.end());
  return photo;
}

void pipeline(benchmark::State& state, const Target& target, int width, int side) {
  GeneratorConfig generator;
  generator.conv_dim = width;
  SpeechConfig speech;
  speech.feature_mean.assign(std::size_t(speech.features()), 0);
  speech.feature_std.assign(std::size_t(speech.features()), 10);
  const TempDir folder;
  write_random_generator(folder / "generator.safetensors", generator);
  const TemporaryModel speech_file(speech, random_weights(speech, 0.1f));
  const Engine engine(
      {.generator = folder / "generator.safetensors", .speech = speech_file.path(), .backend = target.options()});

  Image photo = noise_photo(side);
  const Box face{float(side) / 4, float(side) / 4, float(side) / 3};
  const auto pcm = random_values(std::size_t(kSeconds) * std::size_t(speech.sample_rate_hz), 6, -0.2f, 0.2f);
  warm_up([&] { engine.paste(photo, face, engine.generate(photo, face, engine.aus(pcm))); });

  Latencies whole, listen, redraw, paste;
  for (auto _ : state) {
    whole.time([&] {
      const ActionUnits au = listen.time([&] { return engine.aus(pcm); });
      const Face redrawn = redraw.time([&] { return engine.generate(photo, face, au); });
      paste.time([&] { engine.paste(photo, face, redrawn); });
    });
  }
  state.SetLabel(engine.backend().describe());
  whole.report(state);
  state.counters["speech_ms"] = listen.median() * 1e3;
  state.counters["generate_ms"] = redraw.median() * 1e3;
  state.counters["paste_ms"] = paste.median() * 1e3;
  state.counters["images_per_s"] = 1 / whole.median();
  report_work(state, generator_work(generator, target.precision, 1) + speech_work(speech, kSeconds), whole.median(),
              ceiling(target.backend, target.precision));
}

}  // namespace

void register_all() {
  for (const Target& target : targets()) {
    for (const int width : {64, 32}) {
      for (const int side : {512, 2048}) {
        const std::string title =
            concat("BM_Pipeline/", target.title(), "/width:", width, "/photo:", side, "/seconds:", kSeconds);
        benchmark::RegisterBenchmark(title.c_str(), pipeline, target, width, side)->Unit(benchmark::kMillisecond);
      }
    }
  }
}

}  // namespace emo
