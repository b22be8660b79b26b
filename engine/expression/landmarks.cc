#include "engine/expression/landmarks.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <complex>

#include "base/error.h"

namespace emo {
namespace {

using Vector = std::array<double, 3>;

// FaceMesh's numbers. Points that an expression hardly moves: they carry the head's pose.
constexpr int kRigid[] = {33, 133, 362, 263, 168, 6,  197, 195, 5,   4,  1,   2,  98,  327, 10, 151,
                          9,  234, 454, 127, 356, 93, 323, 172, 397, 54, 284, 67, 297, 109, 338};
constexpr int kOuterEyeCorners[] = {33, 263};
constexpr int kUpperLip = 13, kLowerLip = 14;  // the middle of their rims
constexpr double kShut = 0.012;                // lips nearer than this are shut, in distances of the outer eye corners

double dot(const Vector& a, const Vector& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }
Vector cross(const Vector& a, const Vector& b) {
  return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
}

/// A head's pose: rotation (rows), pixels a unit, and which places of the picture and of the mean face fall together.
struct Pose {
  std::array<Vector, 3> rotation;
  double scale = 0;
  Vector at_picture = {}, at_mean = {};
};

/// The scaled orthographic projection of the mean face that lies closest to landmarks, y up: an affine map by least squares,
/// and of it the nearest rotation and scale (DeMenthon and Davis 1995). Scale 0: the landmarks lie on a line.
template <typename Mean, typename Place>
Pose pose_of(const Mean& mean, const Place& place) {
  Pose pose;
  for (const int i : kRigid) {
    for (int k = 0; k < 3; ++k) pose.at_mean[k] += mean(i)[k] / std::size(kRigid);
    for (int k = 0; k < 2; ++k) pose.at_picture[k] += place(i)[k] / std::size(kRigid);
  }
  std::array<Vector, 3> spread = {};  // of the mean face
  std::array<Vector, 2> with = {};    // of the picture's x and y with it
  for (const int i : kRigid) {
    for (int j = 0; j < 3; ++j) {
      const double m = mean(i)[j] - pose.at_mean[j];
      for (int k = 0; k < 3; ++k) spread[j][k] += m * (mean(i)[k] - pose.at_mean[k]);
      for (int k = 0; k < 2; ++k) with[k][j] += m * (place(i)[k] - pose.at_picture[k]);
    }
  }
  // The inverse of a symmetric matrix by its cofactors.
  const std::array<Vector, 3> cofactors = {cross(spread[1], spread[2]), cross(spread[2], spread[0]),
                                           cross(spread[0], spread[1])};
  const double determinant = dot(spread[0], cofactors[0]);
  std::array<Vector, 2> affine;
  for (int k = 0; k < 2; ++k) {
    for (int j = 0; j < 3; ++j) affine[k][j] = dot(with[k], cofactors[j]) / determinant;
  }
  // Nearest orthonormal rows: (A A')^(-1/2) A; the root of a 2x2 matrix M is (M + sqrt(det M)) / sqrt(tr M + 2 sqrt(det M)).
  const double a = dot(affine[0], affine[0]), b = dot(affine[0], affine[1]), c = dot(affine[1], affine[1]);
  const double root = std::sqrt(std::max(0., a * c - b * b)), trace = std::sqrt(a + c + 2 * root);
  if (!(root > 1e-9 * (a + c))) return pose;
  for (int j = 0; j < 3; ++j) {  // the inverse of the root, times A
    pose.rotation[0][j] = ((c + root) * affine[0][j] - b * affine[1][j]) / (root * trace);
    pose.rotation[1][j] = ((a + root) * affine[1][j] - b * affine[0][j]) / (root * trace);
  }
  pose.rotation[2] = cross(pose.rotation[0], pose.rotation[1]);
  pose.scale = trace / 2;
  return pose;
}

}  // namespace

FaceShape::FaceShape(const ModelFile& reader)
    : config_(reader.reader()),
      mean_(reader.floats("shape.mean")),
      fit_(reader.floats("shape.fit")),
      gram_(reader.floats("shape.gram")) {}

Box FaceShape::box(std::span<const Point> landmarks) const {
  EMO_CHECK(landmarks.size() == kFacePoints, "landmarks: ", landmarks.size(), " points; ", kFacePoints, " are needed");
  using Complex = std::complex<double>;  // a similarity of the plane is z -> turn * z + shift
  const auto mean = [&](int i) { return Complex(mean_[3 * i], -mean_[3 * i + 1]); };
  const auto place = [&](int i) { return Complex(landmarks[i].x, landmarks[i].y); };
  Complex of_mean, of_places, turn;
  for (const int i : kRigid) of_mean += mean(i), of_places += place(i);
  of_mean /= double(std::size(kRigid)), of_places /= double(std::size(kRigid));
  double spread = 0;
  for (const int i : kRigid) {
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

ActionUnits FaceShape::aus(std::span<const Point> landmarks) const {
  EMO_CHECK(landmarks.size() == kFacePoints, "landmarks: ", landmarks.size(), " points; ", kFacePoints, " are needed");
  const auto mean = [&](int i) { return Vector{mean_[3 * i], mean_[3 * i + 1], mean_[3 * i + 2]}; };
  const auto place = [&](int i) { return Vector{landmarks[i].x, -landmarks[i].y, 0}; };
  const std::size_t count = config_.au_names.size();
  std::vector<float> au(count);
  const Pose pose = pose_of(mean, place);
  if (pose.scale == 0) return {config_.au_names, au};

  // The landmarks turned and scaled onto the mean face; their depth, which a picture does not show, is the mean face's.
  const auto normalised = [&](int i) {
    Vector seen, m = mean(i);
    for (int k = 0; k < 3; ++k) m[k] -= pose.at_mean[k];
    for (int k = 0; k < 2; ++k) seen[k] = (place(i)[k] - pose.at_picture[k]) / pose.scale;
    seen[2] = dot(pose.rotation[2], m);
    Vector result;
    for (int k = 0; k < 3; ++k) {
      result[k] = pose.at_mean[k];
      for (int j = 0; j < 3; ++j) result[k] += pose.rotation[j][k] * seen[j];
    }
    return result;
  };
  std::vector<double> target(count), value(count);
  for (int i = 0; i < kSkinPoints; ++i) {
    const Vector at = normalised(i);
    for (std::size_t j = 0; j < count; ++j) {
      const float* fit = &fit_[j * 2 * kSkinPoints + 2 * std::size_t(i)];
      target[j] += fit[0] * (at[0] - mean_[3 * i]) + fit[1] * (at[1] - mean_[3 * i + 1]);
    }
  }
  // Coordinate descent: the objective is convex and each step exact.
  for (int round = 0; round < 300; ++round) {
    double change = 0;
    for (std::size_t j = 0; j < count; ++j) {
      double slope = target[j];
      for (std::size_t k = 0; k < count; ++k) slope -= gram_[j * count + k] * value[k];
      const double next = std::max(0., value[j] + slope / gram_[j * count + j]);
      change = std::max(change, std::abs(next - value[j]));
      value[j] = next;
    }
    if (change < 1e-6) break;
  }
  const Vector upper = normalised(kUpperLip), lower = normalised(kLowerLip);
  const Vector gap = {upper[0] - lower[0], upper[1] - lower[1], upper[2] - lower[2]};
  const bool shut = std::sqrt(dot(gap, gap)) < kShut;
  for (std::size_t j = 0; j < count; ++j) {
    const bool opens = config_.au_names[j] == "AU25" || config_.au_names[j] == "AU26";
    au[j] = shut && opens ? 0.f : float(std::min(1., value[j]));
  }
  return {config_.au_names, au};
}

}  // namespace emo
