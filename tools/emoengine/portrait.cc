#include "tools/emoengine/portrait.h"

#include <algorithm>

namespace emo::cli {

namespace {

constexpr std::size_t kBatch = 8;  // faces a call: enough to fill a GPU, few enough to see progress

}  // namespace

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

std::vector<Image> Portrait::with(const Engine& engine, std::span<const ActionUnits> expressions, int passes) const {
  const CutFace cut = engine.cut(picture, face);
  std::vector<Image> pictures(expressions.size(), picture);
  for (std::size_t first = 0; first < pictures.size(); first += kBatch) {
    std::vector<FaceJob> jobs;
    for (std::size_t i = first; i < std::min(first + kBatch, pictures.size()); ++i) {
      jobs.push_back({.photo = picture,
                      .face = face,
                      .cut = &cut,
                      .au = expressions[i],
                      .drawing = {.passes = passes},
                      .out = pictures[i]});
    }
    engine.redraw_all(jobs);
  }
  return pictures;
}

}  // namespace emo::cli
