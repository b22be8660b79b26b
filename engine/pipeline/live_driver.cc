#include "engine/pipeline/live_driver.h"

#include <cstddef>

#include "base/error.h"
#include "engine/pipeline/face_aus.h"
#include "engine/pipeline/face_finder.h"

namespace emo {
namespace {

constexpr std::size_t kFrames = 600;  // half a minute of a camera: a smile held as long becomes the resting face
constexpr float kNew = 0.6f;          // share of the newest frame; the reader's noise halves, and a blink comes a frame late

}  // namespace

LiveDriver::LiveDriver(const Engine& engine) : engine_(engine), tracker_(tracker_for(engine)) {
  if (!engine.has_reader()) {
    fail(ErrorKind::kUsage, "`drive`: the face reader reads the driver's face, and none was opened; open one with `reader`");
  }
}

std::optional<ActionUnits> LiveDriver::next(const Image& frame) {
  const auto face = tracker_.next(frame);
  if (!face) return std::nullopt;
  const auto& names = engine_.generator_config().au_names;
  seen_.push_back(engine_.read(frame, *face).au.reordered(names).values());
  if (seen_.size() > kFrames) seen_.erase(seen_.begin());
  const std::vector<float>& now = seen_.back();
  if (smooth_.empty()) smooth_ = now;
  for (std::size_t j = 0; j < now.size(); ++j) smooth_[j] += kNew * (now[j] - smooth_[j]);
  AuCurve row(names, {0.});
  row.set_row(0, ActionUnits(names, smooth_));
  calibrate(row, {names, resting_face(seen_)});
  return row.row(0);
}

}  // namespace emo
