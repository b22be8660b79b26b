#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/media/media.h"
#include "engine/pipeline/face_tracker.h"

namespace emo {

/// What is wanted of a search: the largest face, all of them, or, of a video's frame, the one that was lost, quickly.
enum class FaceCount { kLargest, kAll, kLost };

/// The faces of a photo, largest first (ties: top, then left). The detector proposes places, and the engine's reader says
/// which of them are faces, where each lies exactly and how it leans. Without a reader it is the detector's own search.
///
/// Looks, until one finds a face: at 1280 px a side, or 3200 for kAll, whose least face is 1/40 of the photo's longer side;
/// then on the photo turned by 60, -60, 120, -120 and 180 degrees; then twice and four times as large. For kLost the first
/// look is the only one. `tried`, if given, receives them, for the error message.
/// `min_px`, if not 0, is the least face of kAll's first look in place of that.
std::vector<Box> find_faces(const Engine& engine, const Image& photo, FaceCount count, std::string* tried = nullptr,
                            double min_px = 0);

/// The least face that find_faces() looks for with kAll, px.
double least_face(const Image& photo, double min_px);

/// A face that was under `last` in the frame before; none when it has left, and without a reader.
std::optional<Box> follow_face(const Engine& engine, const Image& frame, const Box& last);

/// Follows a face through a video, by the reader where the engine has one. The engine must outlive it.
FaceTracker tracker_for(const Engine& engine);

}  // namespace emo
