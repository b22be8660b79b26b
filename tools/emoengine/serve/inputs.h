#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "engine/expression/au_curve.h"
#include "engine/media/media.h"
#include "tools/emoengine/serve/options.h"

/// What clients send, read. Errors call it by its field.
namespace emo::serve {

/// A photo's or sound's file. Throws Error(kInput), HttpError(415) for a kind of file that this server lacks the library
/// for.
Image read_photo(std::string_view file, const ImageLimits& limits);
Clip read_voice(std::string_view file, int sample_rate_hz, const AudioLimits& limits);

/// Throws HttpError(400): no JSON, nested too deep, a key twice.
nlohmann::json read_json(std::string_view text, const std::string& field);

/// The faces of a photo; see emo::find_faces(). `face`: "largest" or nothing, "all", or an index from 0, the largest. Throws
/// HttpError(400): another `face`, or no face at all, saying what was tried.
std::vector<Box> choose_faces(const Engine& engine, const Image& photo, std::string_view face);

/// How a face is drawn, from its name: auto, sharp or network.
Detail read_detail(std::string_view name);
/// {"AU12": 1, ...}, or an array of all in the model's order.
ActionUnits read_aus(const nlohmann::json& json, const std::vector<std::string>& names);
/// {"fps": 25, "rows": [[...], ...]}, or a table as `emoengine aus --per-frame` writes it.
AuCurve read_curve(std::string_view text, const std::vector<std::string>& names, double fps);

/// [[17 numbers], ...]
nlohmann::ordered_json rows_of(const AuCurve& curve);

/// {"emotion": "happiness", "scores": {"neutral": 0, "happiness": 0.8 ...}}: how long the AUs' projections on the prototypes
/// are, as shares of these.
void add_emotion(nlohmann::ordered_json& to, const ActionUnits& au);

}  // namespace emo::serve
