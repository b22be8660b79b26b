#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/expression/au_curve.h"
#include "engine/media/video.h"

/// Action units that faces show, read by the engine's reader.
namespace emo {

/// A row for each face of a photo, largest first. Throws Error(kInput) naming the file when there is none.
AuCurve read_face_aus(const Engine& engine, const Image& photo, const std::string& file);

/// A row for each frame of a video: its largest face, followed from the first one on. AUs are smoothed over five frames with
/// the weights 1, 4, 6, 4, 1. Frames without a face have confidence 0. Throws Error(kInput) naming the video when none has
/// one.
AuCurve read_face_aus(const Engine& engine, VideoReader& video, const std::string& name);

/// What one face drives another by: under `names`, the changes of a clip's AUs from that person's resting face, as
/// calibrate() takes them. The resting face is the one at `neutral_at_s`, or, when none is said, resting_face(). Frames
/// without a face are left out, so that a curve drawn through the rows passes over them.
AuCurve driving(const AuCurve& read, const std::vector<std::string>& names, std::optional<double> neutral_at_s = {});

/// A person's resting face, of rows of AUs: of each AU the tenth percentile.
std::vector<float> resting_face(const std::vector<std::vector<float>>& rows);

/// The AUs as changes from a person's own neutral face: (au - neutral) / (1 - neutral), not below 0.
void calibrate(AuCurve& curve, const ActionUnits& neutral);

}  // namespace emo
