#include "engine/expression/expression.h"

namespace emo {

ActionUnits Expression::over(const ActionUnits& voice) const {
  auto values = voice.values();
  for (float& v : values) v = float(v * intensity);
  if (!emotion.empty()) {
    const auto added = parse_emotions(emotion, voice.names());
    for (std::size_t i = 0; i < values.size(); ++i) values[i] += added.values()[i];
  }
  const ActionUnits sum = voice.with(values);
  return au.empty() ? sum : edit_action_units(au, sum);
}

void Expression::apply(AuCurve& voice) const {
  for (std::size_t i = 0; i < voice.rows(); ++i) voice.set_row(i, over(voice.row(i)));
}

}  // namespace emo
