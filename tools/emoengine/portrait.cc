#include "tools/emoengine/portrait.h"

#include <algorithm>
#include <iterator>

namespace emo::cli {

std::vector<Face> redraw_batches(const Engine& engine, std::span<const FaceRequest> requests) {
  std::vector<Face> faces;
  for (std::size_t i = 0; i < requests.size(); i += kBatch) {
    std::ranges::move(engine.redraw(requests.subspan(i, std::min(kBatch, requests.size() - i))), std::back_inserter(faces));
  }
  return faces;
}

Portrait::Portrait(const Image& photo, const Box& detected) : face(detected) {
  const Box wanted = scaled(detected, 1.5);
  const int side = std::min({int(wanted.side), photo.width, photo.height});
  const auto start = [side](float from, float wanted_side, int length) {
    return std::clamp(int(from + (wanted_side - float(side)) / 2), 0, length - side);
  };
  const int x = start(wanted.x, wanted.side, photo.width), y = start(wanted.y, wanted.side, photo.height);
  picture = Image(side, side);
  for (int row = 0; row < side; ++row) {
    std::copy_n(photo.pixel(x, y + row), std::size_t(side) * 3, picture.pixel(0, row));
  }
  face.x -= float(x);
  face.y -= float(y);
}

std::vector<Image> Portrait::with(const Engine& engine, std::span<const ActionUnits> expressions) const {
  const Face cut = engine.cut(picture, face);
  std::vector<FaceRequest> requests;
  for (const auto& au : expressions) requests.push_back({&cut, au});
  std::vector<Image> pictures;
  for (const Face& redrawn : redraw_batches(engine, requests)) {
    engine.paste(pictures.emplace_back(picture), face, redrawn);
  }
  return pictures;
}

}  // namespace emo::cli
