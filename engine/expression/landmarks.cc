#include "engine/expression/landmarks.h"

#include <complex>

#include "base/error.h"

namespace emo {
namespace {

constexpr int kOuterEyeCorners[] = {33, 263};

}  // namespace

FaceShape::FaceShape(const ModelFile& reader) : config_(reader.reader()), mean_(reader.floats("shape.mean")) {}

Box FaceShape::box(std::span<const Point> landmarks) const {
  EMO_CHECK(landmarks.size() == kFacePoints, "landmarks: ", landmarks.size(), " points; ", kFacePoints, " are needed");
  using Complex = std::complex<double>;  // a similarity of the plane is z -> turn * z + shift
  const auto mean = [&](int i) { return Complex(mean_[2 * i], mean_[2 * i + 1]); };
  const auto place = [&](int i) { return Complex(landmarks[i].x, landmarks[i].y); };
  Complex of_mean, of_places, turn;
  for (const int i : kRigidPoints) of_mean += mean(i), of_places += place(i);
  of_mean /= double(std::size(kRigidPoints)), of_places /= double(std::size(kRigidPoints));
  double spread = 0;
  for (const int i : kRigidPoints) {
    turn += std::conj(mean(i) - of_mean) * (place(i) - of_places);
    spread += std::norm(mean(i) - of_mean);
  }
  turn /= spread;
  // In distances of the outer eye corners: the box's side, and its middle from that between the eyes.
  const double side = 1 / config_.eye_distance;
  const Complex eyes = (mean(kOuterEyeCorners[0]) + mean(kOuterEyeCorners[1])) / 2.;
  const Complex middle = eyes + side * Complex(0.5 - config_.eyes_x, 0.5 - config_.eyes_y);
  const Complex at = of_places + turn * (middle - of_mean);
  const auto pixels = float(std::abs(turn) * side);
  return {float(at.real()) - pixels / 2, float(at.imag()) - pixels / 2, pixels, float(std::arg(turn))};
}

}  // namespace emo
