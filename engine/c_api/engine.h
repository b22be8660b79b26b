#pragma once

#include <string>
#include <vector>

#include "emoengine.h"
#include "engine/engine.h"

struct emo_engine {
  explicit emo_engine(const emo::EngineOptions& options);

  const bool draws, hears, reads;  ///< which models it has
  const emo::Engine engine;
  const std::vector<std::string> au_names;
  const std::string backend_text;
};

namespace emo::c_api {

/// The engine, which needs a generator, a speech model or a face reader. Throws when it was opened without.
emo_engine& drawing(emo_engine* engine);
emo_engine& hearing(emo_engine* engine);
emo_engine& reading(emo_engine* engine);

/// The caller's values under the engine's names. Throws unless all lie in [0,1].
ActionUnits action_units(const emo_engine& engine, const float* values, const char* name);

}  // namespace emo::c_api
