#include "engine/expression/face_motion.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/point.h"

namespace emo {
namespace {

// FaceMesh's numbers. Lists of upper and lower run over the same columns of the face, from its right side to its left.
constexpr std::array<int, kRingPoints> kOutline = {10,  338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288,
                                                   397, 365, 379, 378, 400, 377, 152, 148, 176, 149, 150, 136,
                                                   172, 58,  132, 93,  234, 127, 162, 21,  54,  103, 67,  109};
constexpr int kLipColumns = 9, kLidColumns = 7;
/// From the rim of the mouth's opening outward.
constexpr int kUpperLip[4][kLipColumns] = {{191, 80, 81, 82, 13, 312, 311, 310, 415},
                                           {183, 42, 41, 38, 12, 268, 271, 272, 407},
                                           {184, 74, 73, 72, 11, 302, 303, 304, 408},
                                           {185, 40, 39, 37, 0, 267, 269, 270, 409}};
constexpr int kLowerLip[4][kLipColumns] = {{95, 88, 178, 87, 14, 317, 402, 318, 324},
                                           {96, 89, 179, 86, 15, 316, 403, 319, 325},
                                           {77, 90, 180, 85, 16, 315, 404, 320, 307},
                                           {146, 91, 181, 84, 17, 314, 405, 321, 375}};
constexpr int kMouthCorners[] = {78, 308};  // of the opening
constexpr int kUpperLid[2][kLidColumns] = {{246, 161, 160, 159, 158, 157, 173}, {466, 388, 387, 386, 385, 384, 398}};
constexpr int kLowerLid[2][kLidColumns] = {{7, 163, 144, 145, 153, 154, 155}, {249, 390, 373, 374, 380, 381, 382}};
constexpr int kLidFold[2][kLidColumns] = {{247, 30, 29, 27, 28, 56, 190}, {467, 260, 259, 257, 258, 286, 414}};
constexpr int kEyeCorners[2][2] = {{33, 133}, {263, 362}};  // outer, inner
constexpr int kBareSkin[] = {50, 280, 101, 330, 118, 347, 151, 9};
constexpr int kSkinPoints = 468;  // the last ten are the irises

// As multiples of the outline's distance from its centre, and the share of its motion that the inner ring takes.
constexpr float kInnerRingAt = 1.22f, kOuterRingAt = 1.75f, kRingFollows = 0.45f;
constexpr float kLashes = 0.25f;                            // of the way from the lid's margin to its fold are lashes
constexpr float kLashWidth = 0.016f, kLashDarkness = 0.6f;  // units, share of the light
constexpr float kTexel = 0.025f, kShadeTop = 0.62f;         // units

float dot(Point a, Point b) { return a.x * b.x + a.y * b.y; }
float length(Point a) { return std::hypot(a.x, a.y); }
Point unit_of(Point a) {
  const float n = length(a);
  return n > 0 ? 1 / n * a : Point{};
}

/// The outline of an eye's opening: outer corner, upper lid, inner corner, lower lid back.
std::array<int, 16> eye_opening(int e) {
  std::array<int, 16> loop;
  loop[0] = kEyeCorners[e][0], loop[8] = kEyeCorners[e][1];
  for (int i = 0; i < kLidColumns; ++i) loop[1 + i] = kUpperLid[e][i], loop[9 + i] = kLowerLid[e][kLidColumns - 1 - i];
  return loop;
}

std::array<int, 20> mouth_opening() {
  std::array<int, 20> loop;
  loop[0] = kMouthCorners[0], loop[10] = kMouthCorners[1];
  for (int i = 0; i < kLipColumns; ++i) loop[1 + i] = kUpperLip[0][i], loop[11 + i] = kLowerLip[0][kLipColumns - 1 - i];
  return loop;
}

/// How far each column of an eye is shut: 0 as before, 1 wholly.
std::array<float, kLidColumns> shut_columns(std::span<const Point> before, std::span<const Point> after, int e) {
  std::array<float, kLidColumns> shut;
  for (int i = 0; i < kLidColumns; ++i) {
    const int up = kUpperLid[e][i], low = kLowerLid[e][i];
    shut[i] = 1 - std::min(length(after[low] - after[up]) / std::max(length(before[low] - before[up]), 1e-3f), 1.f);
  }
  return shut;
}

/// An eye's fan in the photo and in the picture: lids that close hide an eyeball that stays, and only where they open beyond
/// what the photo shows is it stretched.
void add_eye(std::span<const Point> before, std::span<const Point> after, Point down, int e, FaceMesh& mesh) {
  const auto loop = eye_opening(e);
  const Point axis = before[loop[8]] - before[loop[0]];
  Point normal = unit_of({-axis.y, axis.x});
  if (dot(normal, down) < 0) normal = -1 * normal;
  const auto add_middle = [](std::vector<Point>& points) {
    Point sum;
    const std::size_t first = points.size() - 16;
    for (int i = 0; i < 16; ++i) {
      if (i % 8 != 0) sum = sum + points[first + i];
    }
    points.push_back(1.f / 14 * sum);
  };
  for (int i = 0; i < 16; ++i) {
    const int p = loop[i];
    const float descent = dot(after[p] - before[p], normal);
    const bool closes = i % 8 == 0 || (i < 8 ? descent > 0 : descent < 0);
    mesh.photo.push_back(closes ? after[p] : before[p]);
    mesh.picture.push_back(after[p]);
  }
  add_middle(mesh.photo), add_middle(mesh.picture);
}

}  // namespace

/// Where a head is: a scaled orthographic view of the mean face.
struct FaceMotion::Pose {
  float unit;                 ///< px
  std::array<float, 3> x, y;  ///< of a displacement in units, the picture's x and y in units
  Point down, right;          ///< unit vectors of the face's axes in the picture
  Point in_picture(const Space& d) const {
    return {unit * (x[0] * d.x + x[1] * d.y + x[2] * d.z), unit * (y[0] * d.x + y[1] * d.y + y[2] * d.z)};
  }
};

FaceMotion::FaceMotion(const ModelFile& reader) {
  const ReaderConfig& config = reader.reader();
  if (config.triangles == 0) {
    fail(ErrorKind::kModel, reader.name(),
         ": does not say how faces move (motion.basis); make it again with tools/training/reader_file.py");
  }
  aus_ = int(config.au_names.size());
  const auto place_of = [&](const char* name) {
    const auto found = std::ranges::find(config.au_names, name);
    return found == config.au_names.end() ? -1 : int(found - config.au_names.begin());
  };
  jaw_ = place_of("AU26"), lips_part_ = place_of("AU25"), shut_ = place_of("AU45");
  const auto spaces = [&](const char* tensor) {
    const auto values = reader.floats(tensor);
    std::vector<Space> points;
    for (std::size_t i = 0; i < values.size(); i += 3) points.push_back({values[i], values[i + 1], values[i + 2]});
    return points;
  };
  mean_ = spaces("motion.mean"), basis_ = spaces("motion.basis"), shade_ = reader.floats("motion.shade");

  // Eyeballs first, the skin over them.
  using Layer = FaceTriangle::Layer;
  for (int e = 0; e < 2; ++e) {
    const int first = kFirstEye + e * kEyePoints;
    for (int i = 0; i < 16; ++i) {
      const std::array corner = {std::int16_t(first + i), std::int16_t(first + (i + 1) % 16), std::int16_t(first + 16)};
      triangles_.push_back({corner, Layer::kEye, false});
    }
  }
  std::array<bool, kFirstEye> on_rim{};
  for (const int p : mouth_opening()) on_rim[p] = true;
  const auto corners = reader.floats("motion.triangles");
  for (std::size_t i = 0; i < corners.size(); i += 3) {
    FaceTriangle triangle{{}, Layer::kSkin, false};
    for (std::size_t k = 0; k < 3; ++k) {
      const float v = corners[i + k];
      if (!(v >= 0 && v < kFirstEye && v == std::floor(v))) {
        fail(ErrorKind::kModel, reader.name(), ": motion.triangles holds ", v, " at index ", i + k, "; 0 to ", kFirstEye - 1,
             " is needed");
      }
      triangle.corner[k] = std::int16_t(v);
      triangle.at_mouth |= on_rim[std::size_t(v)];
    }
    triangles_.push_back(triangle);
  }

  const auto height = [](const std::vector<Space>& of, int au, int a, int b) {
    return of[std::size_t(au) * kFacePoints + a].y - of[std::size_t(au) * kFacePoints + b].y;
  };
  for (int au = 0; au < aus_; ++au) {
    for (int i = 0; i < kLipColumns; ++i) lip_gap_.push_back(height(basis_, au, kUpperLip[0][i], kLowerLip[0][i]));
    for (int e = 0; e < 2; ++e) {
      for (int i = 0; i < kLidColumns; ++i) {
        const int up = kUpperLid[e][i], low = kLowerLid[e][i];
        lid_gap_[e][i] = height(mean_, 0, up, low);
        // AU45 at 1 shuts the eye, whatever the basis says.
        lid_change_.push_back(au == shut_ ? -1.03f * lid_gap_[e][i] : height(basis_, au, up, low));
      }
    }
  }
  if (jaw_ >= 0) jaw_drop_ = -basis_[std::size_t(jaw_) * kFacePoints + kLowerLip[0][4]].y;
}

FaceMotion::Pose FaceMotion::pose_of(std::span<const Point> landmarks) const {
  // The affine map from the mean face that fits best, by least squares, and the nearest scaled rotation's first two rows.
  Space mean{};
  Point middle;
  const auto n = float(std::size(kRigidPoints));
  for (const int p : kRigidPoints) {
    mean = {mean.x + mean_[p].x / n, mean.y + mean_[p].y / n, mean.z + mean_[p].z / n};
    middle = middle + 1 / n * landmarks[p];
  }
  double gram[3][3] = {}, right[3][2] = {};
  for (const int p : kRigidPoints) {
    const double m[3] = {mean_[p].x - mean.x, mean_[p].y - mean.y, mean_[p].z - mean.z};
    const Point q = landmarks[p] - middle;
    for (int i = 0; i < 3; ++i) {
      for (int j = 0; j < 3; ++j) gram[i][j] += m[i] * m[j];
      right[i][0] += m[i] * q.x, right[i][1] += m[i] * q.y;
    }
  }
  const auto minor = [&](int i, int j) {
    const int a = (i + 1) % 3, b = (i + 2) % 3, c = (j + 1) % 3, d = (j + 2) % 3;
    return gram[a][c] * gram[b][d] - gram[a][d] * gram[b][c];
  };
  const double determinant = gram[0][0] * minor(0, 0) + gram[0][1] * minor(0, 1) + gram[0][2] * minor(0, 2);
  std::array<double, 3> rows[2] = {};
  for (int k = 0; k < 2; ++k) {
    for (int i = 0; i < 3; ++i) {
      for (int j = 0; j < 3; ++j) rows[k][i] += minor(i, j) / determinant * right[j][k];  // gram is symmetric
    }
  }
  const auto norm = [](const std::array<double, 3>& a) {
    return std::sqrt(a[0] * a[0] + a[1] * a[1] + a[2] * a[2]) + 1e-12;
  };
  const double lengths[] = {norm(rows[0]), norm(rows[1])};
  Pose pose;
  pose.unit = float((lengths[0] + lengths[1]) / 2);
  std::array<double, 3> sum, difference;
  for (int i = 0; i < 3; ++i) {
    const double a = rows[0][i] / lengths[0], b = rows[1][i] / lengths[1];
    sum[i] = a + b, difference[i] = a - b;
  }
  const double of_sum = norm(sum) * std::sqrt(2.), of_difference = norm(difference) * std::sqrt(2.);
  for (int i = 0; i < 3; ++i) {
    pose.x[i] = float(sum[i] / of_sum + difference[i] / of_difference);
    pose.y[i] = float(sum[i] / of_sum - difference[i] / of_difference);
  }
  pose.down = unit_of({-pose.x[1], -pose.y[1]});
  pose.right = unit_of({pose.x[0], pose.y[0]});
  return pose;
}

float FaceMotion::misfit(std::span<const Point> landmarks) const {
  const Pose pose = pose_of(landmarks);
  Point shift;
  for (const int p : kRigidPoints)
    shift = shift + 1.f / std::size(kRigidPoints) * (landmarks[p] - pose.in_picture(mean_[p]));
  float worst = 0;
  for (const int p : kRigidPoints) worst = std::max(worst, length(landmarks[p] - pose.in_picture(mean_[p]) - shift));
  return worst / pose.unit;
}

FaceMotion::Landmarks FaceMotion::moved(std::span<const Point> from, const Pose& pose, std::span<const float> own,
                                        std::span<const float> wanted) const {
  Landmarks to(from.begin(), from.end());
  for (int p = 0; p < kFacePoints; ++p) {
    Space shift{};
    for (int au = 0; au < aus_; ++au) {
      const Space& d = basis_[std::size_t(au) * kFacePoints + p];
      const float change = wanted[au] - own[au];
      shift = {shift.x + change * d.x, shift.y + change * d.y, shift.z + change * d.z};
    }
    to[p] = to[p] + pose.in_picture(shift);
  }
  move_lips(from, pose, own, wanted, to);
  move_lids(from, pose, own, wanted, to);
  return to;
}

/// Sets the gap of the lips column by column: closing multiplies it, so that shut is shut; opening adds.
void FaceMotion::move_lips(std::span<const Point> from, const Pose& pose, std::span<const float> own,
                           std::span<const float> wanted, Landmarks& to) const {
  const auto gap = [&](std::span<const Point> at, int i) {
    return dot(at[kLowerLip[0][i]] - at[kUpperLip[0][i]], pose.down);
  };
  float widest = gap(from, 0);
  for (int i = 1; i < kLipColumns; ++i) widest = std::max(widest, gap(from, i));
  const bool shut = widest < 0.012f * pose.unit;
  for (int i = 0; i < kLipColumns; ++i) {
    float is = 0, will = 0;  // what the AUs say of the gap
    for (int au = 0; au < aus_; ++au) {
      const float d = lip_gap_[std::size_t(au) * kLipColumns + i] * pose.unit;
      is += own[au] * d, will += wanted[au] * d;
    }
    const float before = gap(from, i);
    float after = shut ? std::max(before, 0.f) + will - is : before + will - is;
    if (!shut && will < is && is > 1e-3f) after = before * std::max(will, 0.f) / is;
    const float most = 0.15f * pose.unit;
    const Point change = std::clamp(std::max(after, 0.f) - gap(to, i), -most, most) * pose.down;
    for (int ring = 0; ring < 4; ++ring) {
      Point &upper = to[kUpperLip[ring][i]], &lower = to[kLowerLip[ring][i]];
      upper = upper - 0.4f * change, lower = lower + 0.6f * change;
    }
  }
}

/// Sets the opening of the lids column by column, as a share of the photo's own.
void FaceMotion::move_lids(std::span<const Point> from, const Pose& pose, std::span<const float> own,
                           std::span<const float> wanted, Landmarks& to) const {
  for (int e = 0; e < 2; ++e) {
    for (int i = 0; i < kLidColumns; ++i) {
      const int up = kUpperLid[e][i], low = kLowerLid[e][i], fold = kLidFold[e][i];
      const auto opening = [&](std::span<const float> aus) {
        float sum = lid_gap_[e][i];
        for (int au = 0; au < aus_; ++au) sum += aus[au] * lid_change_[(std::size_t(au) * 2 + e) * kLidColumns + i];
        return sum;
      };
      float share = std::max(opening(wanted), 0.f) / std::max(0.2f * lid_gap_[e][i], opening(own));
      if (shut_ >= 0 && wanted[shut_] >= 0.999f) share = 0;
      const float before = std::max(dot(from[low] - from[up], pose.down), 0.f);
      const Point change = (before * std::clamp(share, 0.f, 1.6f) - dot(to[low] - to[up], pose.down)) * pose.down;
      to[up] = to[up] - 0.9f * change, to[low] = to[low] + 0.1f * change, to[fold] = to[fold] - 0.45f * change;
    }
  }
}

FaceMesh FaceMotion::mesh(std::span<const Point> landmarks, std::span<const float> own,
                          std::span<const float> wanted) const {
  EMO_CHECK(landmarks.size() == kFacePoints && own.size() == std::size_t(aus_) && wanted.size() == own.size(),
            "face motion: ", landmarks.size(), " landmarks, ", own.size(), " and ", wanted.size(), " AUs; ", kFacePoints,
            ", ", aus_, " and ", aus_, " are needed");
  const Pose pose = pose_of(landmarks);
  const std::span<const Point> before = landmarks;
  const Landmarks after = moved(before, pose, own, wanted);

  FaceMesh mesh;
  mesh.triangles = triangles_, mesh.unit = pose.unit;
  mesh.photo.assign(before.begin(), before.end()), mesh.picture = after;
  for (int e = 0; e < 2; ++e) {
    const auto shut = shut_columns(before, after, e);
    for (int i = 0; i < kLidColumns; ++i) {
      // A lid's margin carries lashes and a rim of eyeball, which would smear over the lid that unrolls: the mesh takes the
      // margin from nearer the fold, and the lashes are drawn.
      Point& margin = mesh.photo[kUpperLid[e][i]];
      margin = margin + kLashes * shut[i] * (before[kLidFold[e][i]] - margin);
      mesh.lashes[e].line[1 + i] = after[kLowerLid[e][i]];
      mesh.lashes[e].darkness += kLashDarkness * shut[i] / kLidColumns;
    }
    mesh.lashes[e].line.front() = after[kEyeCorners[e][0]], mesh.lashes[e].line.back() = after[kEyeCorners[e][1]];
    mesh.lashes[e].width = kLashWidth * pose.unit;
  }

  Point centre;
  for (const int p : kOutline) centre = centre + 1.f / kRingPoints * before[p];
  for (const float at : {kInnerRingAt, kOuterRingAt}) {
    for (const int p : kOutline) {
      const Point ring = centre + at * (before[p] - centre);
      mesh.photo.push_back(ring);
      mesh.picture.push_back(at == kInnerRingAt ? ring + kRingFollows * (after[p] - before[p]) : ring);
    }
  }
  for (int e = 0; e < 2; ++e) add_eye(before, after, pose.down, e, mesh);

  mesh.shade.resize(std::size_t(kFaceShadeRows) * kFaceShadeColumns);
  for (int au = 0; au < aus_; ++au) {
    const float change = wanted[au] - own[au];
    const float* from = shade_.data() + std::size_t(au) * mesh.shade.size();
    for (std::size_t i = 0; i < mesh.shade.size(); ++i) mesh.shade[i] += change * from[i];
  }
  mesh.texture.resize(kMeshPoints), mesh.shade_weight.resize(kMeshPoints);
  for (int p = 0; p < kSkinPoints; ++p) {
    mesh.texture[p] = {mean_[p].x / kTexel, (kShadeTop - mean_[p].y) / kTexel};
    mesh.shade_weight[p] = 1;
  }
  for (const int p : kOutline) mesh.shade_weight[p] = 0;  // the creases of the face end with it

  const Landmarks neutral = moved(before, pose, own, std::vector<float>(std::size_t(aus_)));
  FaceMesh::Mouth& mouth = mesh.mouth;
  const auto opening = mouth_opening();
  for (std::size_t i = 0; i < opening.size(); ++i) mouth.before[i] = before[opening[i]], mouth.after[i] = after[opening[i]];
  mouth.middle = 0.5f * (neutral[kUpperLip[0][4]] + neutral[kLowerLip[0][4]]);
  mouth.right = pose.right, mouth.down = pose.down;
  mouth.jaw = (jaw_ >= 0 ? jaw_drop_ * wanted[jaw_] : 0) + (lips_part_ >= 0 ? 0.03f * wanted[lips_part_] : 0);
  for (int i = 0; i < kLipColumns; ++i) {
    mouth.gap = std::max(mouth.gap, dot(before[kLowerLip[0][i]] - before[kUpperLip[0][i]], pose.down));
  }
  for (const int p : kBareSkin) mesh.bare_skin.push_back(before[p]);
  return mesh;
}

}  // namespace emo
