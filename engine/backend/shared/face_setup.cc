#include "engine/backend/shared/face_setup.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"

namespace emo {
namespace {

constexpr float kStill = 0.01f;      // px; a shift that changes no byte
constexpr float kUsualUnit = 90.6f;  // px of the photos that the thresholds of the mouth were found on

float cross(Point a, Point b) { return a.x * b.y - a.y * b.x; }
bool is_still(Point from, Point to) { return std::abs(to.x - from.x) < kStill && std::abs(to.y - from.y) < kStill; }

/// The smallest area of whole pixels round points, inside the picture.
PixelArea area_of(std::span<const Point> points, float margin, const ImageView& photo) {
  float left = 1e9f, top = 1e9f, right = -1e9f, bottom = -1e9f;
  for (const Point p : points) {
    left = std::min(left, p.x), right = std::max(right, p.x), top = std::min(top, p.y), bottom = std::max(bottom, p.y);
  }
  const auto pixel = [](float v, int size) { return int(std::clamp(std::floor(v), 0.f, float(size))); };
  return {pixel(left - margin, photo.width), pixel(top - margin, photo.height), pixel(right + margin + 1, photo.width),
          pixel(bottom + margin + 1, photo.height)};
}

/// What falls on teeth of the photo's light: its brightness and part of its colour, off the bare skin.
Rgb light_on(const ImageView& photo, const FaceMesh& mesh, float gain) {
  constexpr std::array<float, 3> kSkinTone = {1.26f, 0.95f, 0.79f};  // mean colour of bare skin over its grey value
  constexpr float kTint = 0.6f;
  Rgb skin{};
  for (const Point at : mesh.bare_skin) {
    const std::uint8_t* p =
        photo.pixel(std::clamp(int(at.x), 0, photo.width - 1), std::clamp(int(at.y), 0, photo.height - 1));
    for (int c = 0; c < 3; ++c) skin[c] += float(p[photo.bgr() ? 2 - c : c]) / float(mesh.bare_skin.size());
  }
  const float grey = (skin[0] + skin[1] + skin[2]) / 3;
  const float level = std::clamp(gain * grey / 165, 0.55f, 1.08f) / gain;
  Rgb light;
  for (int c = 0; c < 3; ++c) {
    const float tone = (skin[c] + 1) / (grey + 1) / kSkinTone[c];
    light[c] = level * std::clamp(std::pow(tone, kTint), 0.8f, 1.25f);
  }
  return light;
}

}  // namespace

PixelArea area_under(const ImageView& photo, const FaceMesh& mesh) { return area_of(mesh.picture, 0, photo); }

void check_picture(const ImageView& photo, const MutableImageView& out) {
  EMO_CHECK(out.width == photo.width && out.height == photo.height, "warp: the photo has ", photo.width, "x", photo.height,
            " px and the picture ", out.width, "x", out.height);
}

FaceSetup::FaceSetup(const ImageView& photo, const FaceMesh& mesh, const Tone& tone) {
  EMO_CHECK(photo.width > 0 && photo.height > 0, "warp: the photo is empty");
  EMO_CHECK(std::isfinite(mesh.unit) && mesh.unit > 0, "warp: the face has a size of ", mesh.unit, " px");
  face_.area = area_under(photo, mesh);
  face_.unit = mesh.unit, face_.pixel = mesh.unit / kUsualUnit;
  face_.shade = mesh.shade.data(), face_.shade_rows = kFaceShadeRows, face_.shade_columns = kFaceShadeColumns;
  face_.light = light_on(photo, mesh, tone.gain), face_.tone = tone.view();
  for (int e = 0; e < 2; ++e) {
    const FaceMesh::Lashes& lashes = mesh.lashes[e];
    std::ranges::copy(lashes.line, face_.lashes[e].line);
    face_.lashes[e].darkness = lashes.darkness, face_.lashes[e].width = lashes.width;
    const auto eye = std::span(mesh.picture).subspan(std::size_t(kFirstEye + e * kEyePoints), kEyePoints);
    face_.windows[e] = area_of(eye, 1 + 3 * lashes.width, photo);
  }
  const FaceMesh::Mouth& mouth = mesh.mouth;
  face_.windows[2] = area_of(mouth.after, 1 + face_.pixel, photo);
  MovedFace::Mouth& m = face_.mouth;
  static_assert(sizeof m.before == sizeof mouth.before && sizeof face_.lashes[0].line == sizeof mesh.lashes[0].line);
  std::ranges::copy(mouth.before, m.before), std::ranges::copy(mouth.after, m.after);
  m.middle = mouth.middle, m.right = mouth.right, m.down = mouth.down, m.jaw = mouth.jaw, m.gap = mouth.gap;
  for (int i = 0; i < kMouthPoints; ++i) m.moves |= !is_still(m.before[i], m.after[i]);

  make_triangles(mesh);
  face_.triangles = triangles_.data();
  face_.patches = patches_.data(), face_.patch_count = int(patches_.size());
  // A triangle's samples reach half a pixel's footprint beyond it, the cubic two pixels more.
  constexpr float kReach = kMostSamples + 3;
  const PixelArea from = area_of(mesh.photo, kReach, photo), to = area_of(mesh.picture, kReach, photo);
  reads_ = {std::min(from.left, to.left), std::min(from.top, to.top), std::max(from.right, to.right),
            std::max(from.bottom, to.bottom)};
}

void FaceSetup::make_triangles(const FaceMesh& mesh) {
  const bool creased = std::ranges::any_of(mesh.shade, [](float v) { return v != 0; });
  std::vector<Patch> over;
  for (std::size_t t = 0; t < mesh.triangles.size(); ++t) {
    const FaceTriangle& triangle = mesh.triangles[t];
    std::array<Point, 3> to, from;
    bool still = true;
    for (int k = 0; k < 3; ++k) {
      const auto v = std::size_t(triangle.corner[k]);
      to[k] = mesh.picture[v], from[k] = mesh.photo[v];
      still &= is_still(from[k], to[k]);
    }
    const Point p = to[1] - to[0], q = to[2] - to[0];
    const float area = cross(p, q);
    MovedTriangle& map = triangles_.emplace_back();
    map.skin = triangle.layer == FaceTriangle::Layer::kSkin;
    map.corner = to[0];
    if (std::abs(area) < 1e-5f) continue;  // a line covers nothing
    map.second = {q.y / area, -q.x / area}, map.third = {-p.y / area, p.x / area};
    const auto value = [](float first, float second, float third) {
      return MovedTriangle::Value{first, second - first, third - first};
    };
    map.photo_x = value(from[0].x, from[1].x, from[2].x), map.photo_y = value(from[0].y, from[1].y, from[2].y);
    const auto& [a, b, c] = triangle.corner;
    const auto& texture = mesh.texture;
    map.texture_x = value(texture[a].x, texture[b].x, texture[c].x);
    map.texture_y = value(texture[a].y, texture[b].y, texture[c].y);
    const auto& weight = mesh.shade_weight;
    const bool shaded = creased && weight[a] + weight[b] + weight[c] > 0;
    if (shaded) map.shade = value(weight[a], weight[b], weight[c]);
    map.still = still && !shaded;
    const auto change = [&](const MovedTriangle::Value& v, float second, float third) {
      return v.to_second * second + v.to_third * third;
    };
    map.column = {change(map.photo_x, map.second.x, map.third.x), change(map.photo_y, map.second.x, map.third.x)};
    map.line = {change(map.photo_x, map.second.y, map.third.y), change(map.photo_y, map.second.y, map.third.y)};
    const auto samples = [](Point along) {
      const float pixels = std::hypot(along.x, along.y);
      return pixels < kMostSamples ? std::max(1, int(std::ceil(pixels - 0.4f))) : 1;  // beyond it is but a sliver
    };
    map.columns = samples(map.column), map.lines = samples(map.line);

    std::ranges::sort(to, [](Point a, Point b) { return a.y != b.y ? a.y < b.y : a.x < b.x; });
    const Patch patch{std::uint16_t(t), {to[0], to[1], to[2]}};
    // Skin folded over is hidden by all others. At the lids it is all that hides the eye, elsewhere a sliver that noise
    // turned; in the mouth it would hide what is drawn there.
    const bool folded = map.skin && cross(from[1] - from[0], from[2] - from[0]) * area < 0;
    if (!folded) over.push_back(patch);
    if (folded && !triangle.at_mouth) patches_.push_back(patch);
  }
  patches_.insert(patches_.end(), over.begin(), over.end());
}

}  // namespace emo
