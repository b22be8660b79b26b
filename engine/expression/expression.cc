#include "engine/expression/expression.h"

#include <optional>

namespace emo {
namespace {

/// An expression whose texts were read.
class Asked {
 public:
  Asked(const Expression& expression, const std::vector<std::string>& names) : intensity_(expression.intensity) {
    if (!expression.emotion.empty()) added_ = parse_emotions(expression.emotion, names);
    if (!expression.au.empty()) edits_.emplace(expression.au, names);
  }

  ActionUnits over(const ActionUnits& voice) const {
    auto values = voice.values();
    for (float& v : values) v = float(v * intensity_);
    if (added_) {
      for (std::size_t i = 0; i < values.size(); ++i) values[i] += added_->values()[i];
    }
    const ActionUnits sum = voice.with(values);
    return edits_ ? edits_->of(sum) : sum;
  }

 private:
  const double intensity_;
  std::optional<ActionUnits> added_;
  std::optional<AuEdits> edits_;
};

}  // namespace

ActionUnits Expression::over(const ActionUnits& voice) const { return Asked(*this, voice.names()).over(voice); }

void Expression::apply(AuCurve& voice) const {
  const Asked asked(*this, voice.names);
  for (std::size_t i = 0; i < voice.rows(); ++i) voice.set_row(i, asked.over(voice.row(i)));
}

}  // namespace emo
