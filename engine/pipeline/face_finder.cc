#include "engine/pipeline/face_finder.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <tuple>

namespace emo {
namespace {

constexpr float kDegree = std::numbers::pi_v<float> / 180;
constexpr int kAllSide = 3200;  // dlib's least face, 80 px, is then 1/40 of it; 7.7 megapixels take it 0.8 s

/// The box that a face is cut out by. One that leans by up to 5 degrees is taken as it stands: such faces are in the
/// generator's training, and pixels that are not turned stay sharp. From 10 degrees on it is turned wholly.
Box cut_by(Box box) {
  const float lean = std::abs(box.roll) / kDegree;
  box.roll *= lean < 10 ? std::max(0.f, 2 * (lean - 5)) / std::max(lean, 1.f) : 1;
  return box;
}

/// Those of the boxes that are faces, each once. The first look says roughly where the face is, the second exactly, and
/// whether it is one: a box that wanders off finds its neighbour, which is there already.
std::vector<Box> decided(const Engine& engine, const Image& photo, const std::vector<Box>& proposed) {
  std::vector<Box> places;
  for (const FaceReading& reading : engine.read(photo, proposed)) places.push_back(reading.box);
  std::vector<FaceReading> readings = engine.read(photo, places);
  std::ranges::stable_sort(readings, std::greater(), &FaceReading::confidence);
  std::vector<Box> faces;
  for (const FaceReading& reading : readings) {
    if (reading.confidence < engine.reader_config().confidence_threshold) break;
    const auto same = [&](const Box& known) { return distance(known, reading.box) < 0.5f; };
    if (std::ranges::none_of(faces, same)) faces.push_back(reading.box);
  }
  return faces;
}

}  // namespace

double least_face(const Image& photo, double min_px) {
  return min_px > 0 ? min_px : 80 * std::max(1., double(std::max(photo.width, photo.height)) / kAllSide);
}

std::vector<Box> find_faces(const Engine& engine, const Image& photo, FaceCount count, std::string* tried, double min_px) {
  if (!engine.has_reader()) return media().find_faces(photo, tried, {.min_px = count == FaceCount::kAll ? min_px : 0});
  FaceSearch search{.looks = 1, .refine = false};
  if (count == FaceCount::kAll) search.side_px = kAllSide, search.min_px = min_px;
  const FaceSearch twice{.looks = 2, .refine = false, .first = 1}, four_times{.looks = 3, .refine = false, .first = 2};
  std::vector<FaceSearch> turned;
  for (const float degrees : {60.f, -60.f, 120.f, -120.f, 180.f}) {
    turned.push_back({.looks = 1, .refine = false, .roll = degrees * kDegree});
  }
  std::vector<Box> faces;
  for (const auto& looks : {std::vector{search}, turned, std::vector{twice}, std::vector{four_times}}) {
    std::vector<Box> proposed;
    for (const FaceSearch& look : looks) {
      std::string text;
      for (const Box& box : media().find_faces(photo, &text, look)) proposed.push_back(box);
      if (tried) *tried += (tried->empty() ? "" : ", ") + text;
    }
    faces = decided(engine, photo, proposed);
    if (!faces.empty() || count == FaceCount::kLost) break;
  }
  std::ranges::transform(faces, faces.begin(), cut_by);
  std::ranges::sort(faces, {}, [](const Box& box) { return std::tuple(-box.side, box.y, box.x); });
  return faces;
}

std::optional<Box> follow_face(const Engine& engine, const Image& frame, const Box& last) {
  if (!engine.has_reader()) return std::nullopt;
  FaceReading reading = engine.read(frame, last);
  if (distance(last, reading.box) > 0.15f) reading = engine.read(frame, reading.box);
  const bool is_face = reading.confidence >= engine.reader_config().confidence_threshold;
  if (!is_face || distance(last, reading.box) > 1) return std::nullopt;
  return cut_by(reading.box);
}

FaceTracker tracker_for(const Engine& engine) {
  if (!engine.has_reader()) {
    return FaceTracker(
        [](const Image& picture, const FaceSearch& search) { return media().find_faces(picture, nullptr, search); });
  }
  return FaceTracker(
      [&engine](const Image& picture, const FaceSearch& search) {
        const bool lost = search.looks < FaceSearch().looks;
        return find_faces(engine, picture, lost ? FaceCount::kLost : FaceCount::kLargest);
      },
      [&engine](const Image& frame, const Box& last) { return follow_face(engine, frame, last); });
}

}  // namespace emo
