#include "engine/backend/shared/warp.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <optional>
#include <vector>

#include "base/error.h"
#include "engine/backend/shared/mouth_paint.h"
#include "engine/backend/shared/smooth_step.h"
#include "engine/expression/points.h"

namespace emo {
namespace {

constexpr std::uint16_t kNothing = 0xffff;
constexpr int kBand = 16;                               // rows that are drawn at a time; their map stays in the cache
constexpr int kFine = 3;                                // samples along a pixel's side where layers meet
constexpr int kMostSamples = 8;                         // along a pixel's side, where a triangle shrinks
constexpr float kStill = 0.01f;                         // px; a shift that changes no byte
constexpr float kDarkest = -0.45f, kBrightest = 0.11f;  // logarithm of what creases leave of the light
constexpr float kUsualUnit = 90.6f;                     // px of the photos that the thresholds of the mouth were found on

using Colour = std::array<float, 3>;  // 0 to 255, in the photo's order

float cross(Point a, Point b) { return a.x * b.y - a.y * b.x; }
bool is_still(Point from, Point to) { return std::abs(to.x - from.x) < kStill && std::abs(to.y - from.y) < kStill; }

/// What a triangle of the picture shows: values that run linearly from corner to corner.
struct Map {
  struct Value {
    float first = 0, to_second = 0, to_third = 0;
    float at(float second, float third) const { return first + to_second * second + to_third * third; }
  };
  Point corner, second, third;  ///< the shares of the other two corners are second and third times the way from the first
  Value photo_x, photo_y, texture_x, texture_y, shade;
  Point column, line;          ///< how far a pixel of the picture goes in the photo
  int columns = 1, lines = 1;  ///< samples of the photo a pixel
  bool still = false;          ///< shows the photo as it is
};

/// A triangle to be drawn: which, and its corners in the picture from the highest to the lowest.
struct Patch {
  std::uint16_t index;
  std::array<Point, 3> corner;
};

/// Writes index into each cell of a map whose centre a triangle covers, borders included. Cell (0,0) of the map is centred
/// at `origin`, cells are `step` apart.
void cover(const Patch& patch, Point origin, float step, int width, int height, std::uint16_t* map) {
  const auto& [a, b, c] = patch.corner;
  constexpr float kSlack = 1e-3f;  // of a cell: no cell between two triangles is left out
  const auto cell = [&](float at, float from) { return (at - from) / step; };
  const int first = std::max(0, int(std::ceil(cell(a.y, origin.y) - kSlack)));
  const int last = std::min(height - 1, int(std::floor(cell(c.y, origin.y) + kSlack)));
  for (int row = first; row <= last; ++row) {
    const float y = std::clamp(origin.y + float(row) * step, a.y, c.y);
    const auto crossing = [y](Point from, Point to) {  // from above to; the same for both triangles of an edge
      return to.y > from.y ? from.x + (to.x - from.x) * ((y - from.y) / (to.y - from.y)) : from.x;
    };
    const float whole = crossing(a, c);
    float left = whole, right = whole;
    const auto take = [&](float x) { left = std::min(left, x), right = std::max(right, x); };
    if (y <= b.y) take(crossing(a, b));
    if (y >= b.y) take(crossing(b, c));
    const int begin = std::max(0, int(std::ceil(cell(left, origin.x) - kSlack)));
    const int end = std::min(width - 1, int(std::floor(cell(right, origin.x) + kSlack)));
    for (int x = begin; x <= end; ++x) map[std::size_t(row) * width + x] = patch.index;
  }
}

#ifdef __SSE2__
/// Twelve values that lie side by side.
struct Twelve {
  __m128 a = _mm_setzero_ps(), b = a, c = a;

  /// weight times each of twelve bytes.
  void add(const std::uint8_t* bytes, float weight) {
    int last;
    std::memcpy(&last, bytes + 8, sizeof last);
    const __m128i zero = _mm_setzero_si128();
    const __m128i low = _mm_unpacklo_epi8(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes)), zero),
                  high = _mm_unpacklo_epi8(_mm_cvtsi32_si128(last), zero);
    const __m128 w = _mm_set1_ps(weight);
    a = _mm_add_ps(a, _mm_mul_ps(w, _mm_cvtepi32_ps(_mm_unpacklo_epi16(low, zero))));
    b = _mm_add_ps(b, _mm_mul_ps(w, _mm_cvtepi32_ps(_mm_unpackhi_epi16(low, zero))));
    c = _mm_add_ps(c, _mm_mul_ps(w, _mm_cvtepi32_ps(_mm_unpacklo_epi16(high, zero))));
  }
};
#endif

float segment_distance(Point a, Point b, Point p) {
  const Point edge = b - a, to = p - a;
  const float t = std::clamp((to.x * edge.x + to.y * edge.y) / (edge.x * edge.x + edge.y * edge.y + 1e-9f), 0.f, 1.f);
  return std::hypot(to.x - t * edge.x, to.y - t * edge.y);
}

/// Distance to a polygon's outline, positive inside.
float polygon_distance(std::span<const Point> polygon, Point p) {
  float least = 1e9f;
  bool inside = false;
  for (std::size_t i = 0; i < polygon.size(); ++i) {
    const Point a = polygon[i], b = polygon[(i + 1) % polygon.size()];
    least = std::min(least, segment_distance(a, b, p));
    if ((a.y > p.y) != (b.y > p.y) && p.x < a.x + (b.x - a.x) * (p.y - a.y) / (b.y - a.y)) inside = !inside;
  }
  return inside ? least : -least;
}

/// The smallest area of whole pixels round points, inside the picture.
PixelArea area_of(std::span<const Point> points, float margin, const PixelArea& within) {
  float left = 1e9f, top = 1e9f, right = -1e9f, bottom = -1e9f;
  for (const Point p : points) {
    left = std::min(left, p.x), right = std::max(right, p.x), top = std::min(top, p.y), bottom = std::max(bottom, p.y);
  }
  const auto pixel = [](float v, int low, int high) { return int(std::clamp(std::floor(v), float(low), float(high))); };
  return {pixel(left - margin, within.left, within.right), pixel(top - margin, within.top, within.bottom),
          pixel(right + margin + 1, within.left, within.right), pixel(bottom + margin + 1, within.top, within.bottom)};
}

}  // namespace

PixelArea area_under(const ImageView& photo, const FaceMesh& mesh) {
  return area_of(mesh.picture, 0, {0, 0, photo.width, photo.height});
}

namespace {

bool holds(const PixelArea& area, int x, int y) {
  return x >= area.left && x < area.right && y >= area.top && y < area.bottom;
}

class Drawing {
 public:
  Drawing(const ImageView& photo, const FaceMesh& mesh, const Tone& tone) : photo_(photo), mesh_(mesh), tone_(tone) {
    const PixelArea picture{0, 0, photo.width, photo.height};
    area_ = area_under(photo, mesh);
    for (int e = 0; e < 2; ++e) {
      const auto eye = std::span(mesh.picture).subspan(std::size_t(kFirstEye + e * kEyePoints), kEyePoints);
      windows_[e] = area_of(eye, 1 + 3 * mesh.lashes[e].width, picture);
    }
    windows_[2] = area_of(mesh.mouth.after, 1 + pixel(), picture);
    const auto &before = mesh.mouth.before, &after = mesh.mouth.after;
    for (std::size_t i = 0; i < after.size(); ++i) mouth_moves_ |= !is_still(before[i], after[i]);
    make_maps();
    make_light();
  }

  const PixelArea& area() const { return area_; }
  int bands() const { return (area_.bottom - area_.top + kBand - 1) / kBand; }
  void draw_band(int band, const MutableImageView& out) const;

 private:
  /// What covers the cells of some pixels, of which each has `fine` by `fine`.
  struct Cover {
    PixelArea area;
    int fine = 1;
    std::vector<std::uint16_t> cells;

    const std::uint16_t* at(int x, int y) const {  // of a pixel's first cell
      return cells.data() + std::size_t(y - area.top) * fine * stride() + std::size_t(x - area.left) * fine;
    }
    std::size_t stride() const { return std::size_t(area.right - area.left) * fine; }
  };

  float pixel() const { return mesh_.unit / kUsualUnit; }
  void make_maps();
  void make_light();
  Cover covered(const PixelArea& area, int fine) const;
  void add_photo(Point at, float weight, Colour& sum) const;
  Colour moved(const Map& map, Point at) const;
  Colour sample(std::uint16_t index, Point at) const;
  Colour sample_fine(const Cover& cover, int x, int y) const;
  std::optional<Colour> mouth(Point at, bool hidden) const;
  /// 0 eye, 1 skin, 2 neither.
  int layer(std::uint16_t index) const { return index == kNothing ? 2 : int(mesh_.triangles[index].layer); }
  void copy_pixel(int x, int y, const MutableImageView& out) const;
  void write(int x, int y, const Colour& colour, const MutableImageView& out) const;

  const ImageView photo_;
  const FaceMesh& mesh_;
  const Tone& tone_;
  PixelArea area_;
  std::array<PixelArea, 3> windows_;  // eyes, mouth: where layers meet
  std::vector<Map> maps_;             // of the mesh's triangles
  std::vector<Patch> patches_;        // in the order of drawing
  Colour light_{};                    // factors of paint: red, green, blue
  bool mouth_moves_ = false;
};

void Drawing::make_maps() {
  std::vector<Patch> over;
  for (std::size_t t = 0; t < mesh_.triangles.size(); ++t) {
    const FaceTriangle& triangle = mesh_.triangles[t];
    std::array<Point, 3> to, from;
    bool still = true;
    for (int k = 0; k < 3; ++k) {
      const auto v = std::size_t(triangle.corner[k]);
      to[k] = mesh_.picture[v], from[k] = mesh_.photo[v];
      still &= is_still(from[k], to[k]);
    }
    const Point p = to[1] - to[0], q = to[2] - to[0];
    const float area = cross(p, q);
    Map& map = maps_.emplace_back();
    map.corner = to[0];
    if (std::abs(area) < 1e-5f) continue;  // a line covers nothing
    map.second = {q.y / area, -q.x / area}, map.third = {-p.y / area, p.x / area};
    const auto value = [](float first, float second, float third) {
      return Map::Value{first, second - first, third - first};
    };
    map.photo_x = value(from[0].x, from[1].x, from[2].x), map.photo_y = value(from[0].y, from[1].y, from[2].y);
    const auto& [a, b, c] = triangle.corner;
    const auto& texture = mesh_.texture;
    map.texture_x = value(texture[a].x, texture[b].x, texture[c].x);
    map.texture_y = value(texture[a].y, texture[b].y, texture[c].y);
    map.shade = value(mesh_.shade_weight[a], mesh_.shade_weight[b], mesh_.shade_weight[c]);
    const bool shaded = mesh_.shade_weight[a] + mesh_.shade_weight[b] + mesh_.shade_weight[c] > 0 &&
                        std::ranges::any_of(mesh_.shade, [](float v) { return v != 0; });
    if (!shaded) map.shade = {};
    map.still = still && !shaded;
    const auto change = [&](const Map::Value& v, float second, float third) {
      return v.to_second * second + v.to_third * third;
    };
    map.column = {change(map.photo_x, map.second.x, map.third.x), change(map.photo_y, map.second.x, map.third.x)};
    map.line = {change(map.photo_x, map.second.y, map.third.y), change(map.photo_y, map.second.y, map.third.y)};
    const auto samples = [](Point along) {
      const float pixels = std::hypot(along.x, along.y);
      return pixels < kMostSamples ? std::max(1, int(std::ceil(pixels - 0.4f))) : 1;  // beyond it is but a sliver
    };
    map.columns = samples(map.column), map.lines = samples(map.line);

    Patch patch{std::uint16_t(t), to};
    std::ranges::sort(patch.corner, [](Point a, Point b) { return a.y != b.y ? a.y < b.y : a.x < b.x; });
    // Skin folded over is hidden by all others. At the lids it is all that hides the eye, elsewhere a sliver that noise
    // turned; in the mouth it would hide what is drawn there.
    const bool folded =
        triangle.layer == FaceTriangle::Layer::kSkin && cross(from[1] - from[0], from[2] - from[0]) * area < 0;
    if (!folded) over.push_back(patch);
    if (folded && !triangle.at_mouth) patches_.push_back(patch);
  }
  patches_.insert(patches_.end(), over.begin(), over.end());
}

/// What falls on teeth of the photo's light: its brightness and part of its colour, off the bare skin.
void Drawing::make_light() {
  constexpr Colour kSkinTone = {1.26f, 0.95f, 0.79f};  // mean colour of bare skin over its grey value
  constexpr float kTint = 0.6f;
  Colour skin{};  // red first
  for (const Point at : mesh_.bare_skin) {
    const std::uint8_t* p =
        photo_.pixel(std::clamp(int(at.x), 0, photo_.width - 1), std::clamp(int(at.y), 0, photo_.height - 1));
    for (int c = 0; c < 3; ++c) skin[c] += float(p[photo_.bgr() ? 2 - c : c]) / float(mesh_.bare_skin.size());
  }
  const float grey = (skin[0] + skin[1] + skin[2]) / 3;
  const float level = std::clamp(tone_.gain * grey / 165, 0.55f, 1.08f) / tone_.gain;
  for (int c = 0; c < 3; ++c) {
    const float tone = (skin[c] + 1) / (grey + 1) / kSkinTone[c];
    light_[c] = level * std::clamp(std::pow(tone, kTint), 0.8f, 1.25f);
  }
}

Drawing::Cover Drawing::covered(const PixelArea& area, int fine) const {
  Cover cover{area, fine, {}};
  const int width = (area.right - area.left) * fine, height = (area.bottom - area.top) * fine;
  if (width <= 0 || height <= 0) return cover;
  cover.cells.assign(std::size_t(width) * height, kNothing);
  const float step = 1.f / float(fine);
  for (const Patch& patch : patches_) {
    if (patch.corner[2].y < float(area.top) || patch.corner[0].y > float(area.bottom)) continue;
    emo::cover(patch, {float(area.left) + step / 2, float(area.top) + step / 2}, step, width, height, cover.cells.data());
  }
  return cover;
}

void Drawing::add_photo(Point at, float weight, Colour& sum) const {
  const float u = at.x - 0.5f, v = at.y - 0.5f;
  const float left = std::floor(u), top = std::floor(v);
  const auto weights = [](float t, float* w) {  // Keys' cubic, a = -0.5
    w[0] = ((-0.5f * t + 1) * t - 0.5f) * t;
    w[1] = (1.5f * t - 2.5f) * t * t + 1;
    w[2] = ((-1.5f * t + 2) * t + 0.5f) * t;
    w[3] = (0.5f * t - 0.5f) * t * t;
  };
  float across[4], down[4];
  weights(u - left, across), weights(v - top, down);
  // Far outside, where a face's mesh may reach, int would overflow.
  const auto whole = [](float at, int size) { return int(std::clamp(at, -2.f, float(size))) - 1; };
  const int x = whole(left, photo_.width), y = whole(top, photo_.height), step = photo_.step();
  const bool inside = x >= 0 && y >= 0 && x + 3 < photo_.width && y + 3 < photo_.height;
#ifdef __SSE2__
  if (inside && step == 3) {  // most pixels, by hand: 0.6 of the time that GCC 12 takes with the loops below
    Twelve line;              // of four pixels
    const std::uint8_t* const first = photo_.pixel(x, y);
    line.add(first, down[0]);
    line.add(first + photo_.stride, down[1]);
    line.add(first + 2 * photo_.stride, down[2]);
    line.add(first + 3 * photo_.stride, down[3]);
    // In one register after the other: RGBR GBRG BRGB.
    const __m128 shares[3] = {_mm_setr_ps(across[0], across[0], across[0], across[1]),
                              _mm_setr_ps(across[1], across[1], across[2], across[2]),
                              _mm_setr_ps(across[2], across[3], across[3], across[3])};
    alignas(16) float part[12];
    _mm_store_ps(part, _mm_mul_ps(line.a, shares[0]));
    _mm_store_ps(part + 4, _mm_mul_ps(line.b, shares[1]));
    _mm_store_ps(part + 8, _mm_mul_ps(line.c, shares[2]));
    sum[0] += weight * (part[0] + part[3] + part[6] + part[9]);
    sum[1] += weight * (part[1] + part[4] + part[7] + part[10]);
    sum[2] += weight * (part[2] + part[5] + part[8] + part[11]);
    return;
  }
#endif
  int columns[4];
  for (int i = 0; i < 4; ++i) columns[i] = (inside ? x + i : std::clamp(x + i, 0, photo_.width - 1)) * step;
  for (int j = 0; j < 4; ++j) {
    const std::uint8_t* row = photo_.pixel(0, inside ? y + j : std::clamp(y + j, 0, photo_.height - 1));
    float line[3] = {};
    for (int i = 0; i < 4; ++i) {
      const std::uint8_t* p = row + columns[i];
      for (int c = 0; c < 3; ++c) line[c] += across[i] * float(p[c]);
    }
    for (int c = 0; c < 3; ++c) sum[c] += weight * down[j] * line[c];
  }
}

Colour Drawing::moved(const Map& map, Point at) const {
  const Point d = at - map.corner;
  // Places that the rounding of a sliver puts beyond its border are drawn back.
  const float second = std::clamp(map.second.x * d.x + map.second.y * d.y, 0.f, 1.f),
              third = std::clamp(map.third.x * d.x + map.third.y * d.y, 0.f, 1 - second);
  const Point place{map.photo_x.at(second, third), map.photo_y.at(second, third)};
  Colour colour{};
  if (map.columns == 1 && map.lines == 1) {
    add_photo(place, 1, colour);
  } else {
    for (int j = 0; j < map.lines; ++j) {
      for (int i = 0; i < map.columns; ++i) {
        const float dx = (float(i) + 0.5f) / float(map.columns) - 0.5f, dy = (float(j) + 0.5f) / float(map.lines) - 0.5f;
        add_photo({place.x + map.column.x * dx + map.line.x * dy, place.y + map.column.y * dx + map.line.y * dy},
                  1.f / float(map.columns * map.lines), colour);
      }
    }
  }
  const float weight = map.shade.at(second, third);
  if (weight <= 0) return colour;
  const float u = std::clamp(std::abs(map.texture_x.at(second, third)) - 0.5f, 0.f, kFaceShadeColumns - 1.001f),
              v = std::clamp(map.texture_y.at(second, third) - 0.5f, 0.f, kFaceShadeRows - 1.001f);
  const int column = int(u), line = int(v);
  const float fu = u - float(column), fv = v - float(line);
  const float* t = mesh_.shade.data() + line * kFaceShadeColumns + column;
  const float shade =
      (1 - fv) * ((1 - fu) * t[0] + fu * t[1]) + fv * ((1 - fu) * t[kFaceShadeColumns] + fu * t[kFaceShadeColumns + 1]);
  const float e = weight * std::clamp(shade, kDarkest, kBrightest);
  const float light = 1 + e * (1 + e / 2 * (1 + e / 3 * (1 + e / 4)));  // exp() to 2e-4 of 1
  for (float& c : colour) c *= light;
  return colour;
}

/// What shows in the mouth at a place; none where it is no part of it.
std::optional<Colour> Drawing::mouth(Point at, bool hidden) const {
  const FaceMesh::Mouth& m = mesh_.mouth;
  const float distance = polygon_distance(m.after, at);
  if (hidden || !mouth_moves_ || distance <= -0.8f * pixel()) return std::nullopt;
  const Point d = at - m.middle;
  Colour colour = paint_mouth({.u = (d.x * m.right.x + d.y * m.right.y) / mesh_.unit,
                               .v = (d.x * m.down.x + d.y * m.down.y) / mesh_.unit,
                               .jaw = m.jaw,
                               .depth = distance / mesh_.unit});
  for (int c = 0; c < 3; ++c) colour[c] *= light_[c];
  colour = tone_.toned(colour);
  if (photo_.bgr()) std::swap(colour[0], colour[2]);
  Colour own{};
  const bool open = m.gap > 2.5f * pixel();
  const float share = open ? smooth_step(0.3f, 2.2f, polygon_distance(m.before, at) / pixel()) : 0;
  if (share > 0) add_photo(at, 1, own);
  for (int c = 0; c < 3; ++c) {
    colour[c] += share * (own[c] - colour[c]);
  }
  return colour;
}

Colour Drawing::sample(std::uint16_t index, Point at) const {
  const bool skin = layer(index) == 1;
  if (const auto inside = holds(windows_[2], int(at.x), int(at.y)) ? mouth(at, skin) : std::nullopt) return *inside;
  Colour colour{};
  if (index == kNothing) {
    add_photo(at, 1, colour);
  } else {
    colour = moved(maps_[index], at);
  }
  for (int e = 0; e < 2; ++e) {
    const FaceMesh::Lashes& lashes = mesh_.lashes[e];
    if (lashes.darkness <= 0 || !holds(windows_[e], int(at.x), int(at.y))) continue;
    float distance = 1e9f;
    for (std::size_t i = 0; i + 1 < lashes.line.size(); ++i) {
      distance = std::min(distance, segment_distance(lashes.line[i], lashes.line[i + 1], at));
    }
    distance /= lashes.width;
    if (distance < 3) {
      const float left = 1 - lashes.darkness * std::exp(-distance * distance);
      for (float& c : colour) c *= left;
    }
  }
  return colour;
}

Colour Drawing::sample_fine(const Cover& cover, int x, int y) const {
  const std::uint16_t* cells = cover.at(x, y);
  const std::uint16_t middle = cells[cover.stride() + 1];
  bool same = true, still = mesh_.lashes[0].darkness <= 0 && mesh_.lashes[1].darkness <= 0;
  for (int j = 0; j < kFine; ++j) {
    for (int i = 0; i < kFine; ++i) {
      const std::uint16_t index = cells[j * cover.stride() + i];
      same &= layer(index) == layer(middle);
      still &= index == kNothing ? !mouth_moves_ : maps_[index].still;
    }
  }
  const Point first{float(x), float(y)};
  const Point at{first.x + 0.5f, first.y + 0.5f};
  Colour sum{};
  if (still) return add_photo(at, 1, sum), sum;
  if (same) return sample(middle, at);
  for (int j = 0; j < kFine; ++j) {
    for (int i = 0; i < kFine; ++i) {
      const Colour colour =
          sample(cells[j * cover.stride() + i], {first.x + (float(i) + 0.5f) / kFine, first.y + (float(j) + 0.5f) / kFine});
      for (int c = 0; c < 3; ++c) sum[c] += colour[c] / (kFine * kFine);
    }
  }
  return sum;
}

void Drawing::copy_pixel(int x, int y, const MutableImageView& out) const {
  const std::uint8_t* from = photo_.pixel(x, y);
  std::uint8_t* to = out.pixel(x, y);
  const int first = photo_.bgr() == out.bgr() ? 0 : 2;
  to[first] = from[0], to[1] = from[1], to[2 - first] = from[2];
}

void Drawing::write(int x, int y, const Colour& colour, const MutableImageView& out) const {
  std::uint8_t* to = out.pixel(x, y);
  const int first = photo_.bgr() == out.bgr() ? 0 : 2;
  const auto byte = [](float v) { return std::uint8_t(std::clamp(v, 0.f, 255.f) + 0.5f); };
  to[first] = byte(colour[0]), to[1] = byte(colour[1]), to[2 - first] = byte(colour[2]);
}

void Drawing::draw_band(int band, const MutableImageView& out) const {
  const int top = area_.top + band * kBand, bottom = std::min(top + kBand, area_.bottom);
  const Cover cover = covered({area_.left, top, area_.right, bottom}, 1);
  std::array<Cover, 3> fine;
  for (std::size_t i = 0; i < fine.size(); ++i) {
    const PixelArea& w = windows_[i];
    fine[i] = covered({w.left, std::max(w.top, top), w.right, std::min(w.bottom, bottom)}, kFine);
  }
  for (int y = top; y < bottom; ++y) {
    for (int x = area_.left; x < area_.right; ++x) {
      const auto window = std::ranges::find_if(windows_, [&](const PixelArea& w) { return holds(w, x, y); });
      const std::uint16_t index = *cover.at(x, y);
      if (window != windows_.end()) {
        write(x, y, sample_fine(fine[std::size_t(window - windows_.begin())], x, y), out);
      } else if (index == kNothing || maps_[index].still) {
        copy_pixel(x, y, out);
      } else {
        write(x, y, moved(maps_[index], {float(x) + 0.5f, float(y) + 0.5f}), out);
      }
    }
  }
}

}  // namespace

void warp_face(const ImageView& photo, const FaceMesh& mesh, const Tone& tone, const MutableImageView& out,
               const EachRow& rows) {
  EMO_CHECK(photo.width > 0 && photo.height > 0, "warp: the photo is empty");
  EMO_CHECK(out.width == photo.width && out.height == photo.height, "warp: the photo has ", photo.width, "x", photo.height,
            " px and the picture ", out.width, "x", out.height);
  EMO_CHECK(std::isfinite(mesh.unit) && mesh.unit > 0, "warp: the face has a size of ", mesh.unit, " px");
  ImageView from = photo;
  std::vector<std::uint8_t> copy;
  if (photo.data == out.data) {
    copy.assign(photo.data, photo.data + (photo.height - 1) * photo.stride + std::ptrdiff_t(photo.width) * photo.step());
    from.data = copy.data();
  }
  const Drawing drawing(from, mesh, tone);
  rows(drawing.bands(), [&](int band) { drawing.draw_band(band, out); });
}

}  // namespace emo
