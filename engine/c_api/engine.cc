#include "engine/c_api/engine.h"

#include <cstddef>
#include <optional>

#include "base/limits.h"
#include "base/version.h"
#include "engine/c_api/guard.h"
#include "engine/installation.h"

namespace emo::c_api {
namespace {

int checked(int value, int least, int most, const char* name) {
  if (value < least || value > most) refuse("`", name, "`: ", value, " came; ", least, " to ", most, " are possible");
  return value;
}

/// The weight file that a source names, the installed one when it is all zero.
SourceFile weight_file(const emo_source& source, const char* name, const char* installed) {
  if (source.path || source.data) return SourceFile(source, name);
  const std::string path = default_weights(installed).string();
  return SourceFile({path.c_str(), nullptr, 0}, name);
}

std::unique_ptr<emo_engine> open(const emo_options& options) {
  const int models = checked(options.models, 0, EMO_GENERATOR + EMO_SPEECH + EMO_READER, "models");
  EngineOptions engine;
  engine.backend.kind = BackendKind(checked(options.backend, EMO_AUTO, EMO_CUDA, "backend"));
  engine.backend.precision = Precision(checked(options.precision, EMO_BEST, EMO_FP16, "precision"));
  engine.backend.threads = checked(options.threads, 0, 1024, "threads");
  engine.backend.prepare_graphs = true;
  engine.backend.device = checked(options.device, 0, 1023, "device");
  checked(options.reserved, 0, 0, "reserved");
  if (options.log) {
    engine.backend.note = [log = options.log, user = options.user](const std::string& line) {
      log(user, EMO_LOG_NOTE, line.c_str());
    };
  }
  engine.scheduler.max_batch = options.max_batch;
  engine.scheduler.max_wait_us = options.max_wait_us;
  if (options.max_queue != 0) engine.scheduler.max_queue = options.max_queue;
  engine.scheduler.max_contexts = options.max_contexts;
  const auto wants = [&](int model) { return models == 0 || (models & model) != 0; };
  std::optional<SourceFile> generator, speech, reader;  // until all are read
  if (wants(EMO_GENERATOR)) {
    generator = weight_file(options.generator, "generator", "generator.safetensors");
    engine.generator = generator->path();
  }
  if (wants(EMO_SPEECH)) {
    speech = weight_file(options.speech, "speech", "speech.safetensors");
    engine.speech = speech->path();
  }
  const bool named_reader = options.reader.path || options.reader.data;
  if (wants(EMO_READER) && (models != 0 || named_reader || installed_weights("reader.safetensors"))) {
    reader = weight_file(options.reader, "reader", "reader.safetensors");
    engine.reader = reader->path();
  }
  const auto opened = [&] { return std::make_unique<emo_engine>(engine); };
  const auto named = [](const std::optional<SourceFile>& file, const auto& work) {
    return file ? file->read([&](const auto&) { return work(); }) : work();
  };
  return named(generator, [&] { return named(speech, [&] { return named(reader, opened); }); });
}

}  // namespace

emo_engine& drawing(emo_engine* engine) {
  if (!needed(engine, "engine").draws) refuse("`engine`: was opened without a generator; add EMO_GENERATOR to models");
  return *engine;
}

emo_engine& hearing(emo_engine* engine) {
  if (!needed(engine, "engine").hears) refuse("`engine`: was opened without a speech model; add EMO_SPEECH to models");
  return *engine;
}

emo_engine& reading(emo_engine* engine) {
  if (!needed(engine, "engine").reads) refuse("`engine`: was opened without a face reader; add EMO_READER to models");
  return *engine;
}

ActionUnits action_units(const emo_engine& engine, const float* values, const char* name) {
  needed(values, name);
  for (std::size_t i = 0; i < engine.au_names.size(); ++i) {
    if (!(values[i] >= 0 && values[i] <= 1)) refuse("`", name, "`[", i, "]: ", values[i], " came; 0 to 1 is needed");
  }
  return ActionUnits(engine.au_names, {values, engine.au_names.size()});
}

}  // namespace emo::c_api

using namespace emo;
using namespace emo::c_api;

emo_engine::emo_engine(const EngineOptions& options)
    : draws(!options.generator.empty()),
      hears(!options.speech.empty()),
      reads(!options.reader.empty()),
      engine(options),
      au_names(draws   ? engine.generator_config().au_names
               : hears ? engine.speech_config().au_names
                       : engine.reader_config().au_names),
      backend_text(engine.backend().describe()) {
  static_assert(limits::kMaxAus <= EMO_MAX_AUS);
}

uint32_t emo_abi() { return EMO_ABI; }
const char* emo_version() { return emo::version(); }

emo_status emo_open(const emo_options* options, emo_engine** engine) {
  return guard([&] {
    auto& out = handle_out(engine, "engine");
    if (needed(options, "options").abi != EMO_ABI) {
      refuse("`abi`: ", options->abi, " came, and ", library_path().string(), " of version ", version(), " has EMO_ABI ",
             EMO_ABI, "; begin with emo_default_options(), and install the library that belongs to the program");
    }
    out = open(known(options, "emo_options", offsetof(emo_options, user) + sizeof options->user)).release();
  });
}

void emo_close(emo_engine* engine) { delete engine; }

const char* emo_backend_text(const emo_engine* engine) {
  return guarded<const char*>(nullptr, [&] { return needed(engine, "engine").backend_text.c_str(); });
}

int32_t emo_au_count(const emo_engine* engine) {
  return guarded(0, [&] { return int32_t(needed(engine, "engine").au_names.size()); });
}

const char* emo_au_name(const emo_engine* engine, int32_t index) {
  return guarded<const char*>(nullptr, [&] {
    const auto& names = needed(engine, "engine").au_names;
    return names[std::size_t(checked(index, 0, int(names.size()) - 1, "index"))].c_str();
  });
}

int32_t emo_sample_rate(const emo_engine* engine) {
  return guarded(0, [&] {
    const auto& opened = needed(engine, "engine");
    return opened.hears ? opened.engine.speech_config().sample_rate_hz : 0;
  });
}

int32_t emo_face_side(const emo_engine* engine) {
  return guarded(0, [&] {
    const auto& opened = needed(engine, "engine");
    return opened.draws ? opened.engine.generator_config().image_size : 0;
  });
}
