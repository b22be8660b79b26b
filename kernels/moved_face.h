#pragma once

#include <cmath>
#include <cstdint>

#include "base/point.h"
#include "base/smooth_step.h"
#include "kernels/mouth_paint.h"
#include "kernels/tone_curve.h"

/// A face drawn by moving its photo's pixels: which triangle a place of the picture lies in, and what colour it gets. This
/// is the arithmetic of engine/backend/shared/warp.h, written once for the CPU and for warp_face() on the device.
namespace emo {

inline constexpr std::uint16_t kNoTriangle = 0xffff;
inline constexpr int kBandRows = 16;     ///< rows that are drawn at a time, from the area's top on
inline constexpr int kFine = 3;          ///< samples along a pixel's side where layers meet
inline constexpr int kMostSamples = 8;   ///< along a pixel's side, where a triangle shrinks
inline constexpr int kMouthPoints = 20;  ///< of the outline of its opening
inline constexpr int kLashPoints = 9;    ///< of the line of a lower lid

/// What a triangle of the picture shows: values that run linearly from corner to corner.
struct MovedTriangle {
  struct Value {
    float first = 0, to_second = 0, to_third = 0;
    EMO_HOST_DEVICE float at(float second, float third) const { return first + to_second * second + to_third * third; }
  };
  Point corner, second, third;  ///< the shares of the other two corners are second and third times the way from the first
  Value photo_x, photo_y, texture_x, texture_y, shade;
  Point column, line;          ///< how far a pixel of the picture goes in the photo
  int columns = 1, lines = 1;  ///< samples of the photo a pixel
  bool still = false;          ///< shows the photo as it is
  bool skin = false;           ///< else an eye
};

/// A triangle to be drawn: which, and its corners in the picture from the highest to the lowest.
struct Patch {
  std::uint16_t index;
  Point corner[3];
};

/// A face ready to be drawn, in pixels of the photo. Pointers are the host's or the device's.
struct MovedFace {
  PixelArea area;                            ///< all that is drawn
  PixelArea windows[3];                      ///< eyes, mouth: where layers meet; the first that holds a pixel has it
  const MovedTriangle* triangles = nullptr;  ///< of the mesh
  const Patch* patches = nullptr;            ///< in the order of drawing: a later one hides an earlier one
  int patch_count = 0;
  const float* shade = nullptr;  ///< (shade_rows,shade_columns): logarithm of what creases do to the light
  int shade_rows = 0, shade_columns = 0;
  struct Lashes {
    Point line[kLashPoints];
    float darkness = 0, width = 0;
  } lashes[2];
  struct Mouth {
    Point before[kMouthPoints], after[kMouthPoints];  ///< outline of the opening
    Point middle, right, down;                        ///< of the closed lips; unit vectors of the face's axes
    float jaw = 0, gap = 0;                           ///< how far it has dropped, units; between the photo's lips, px
    bool moves = false;
  } mouth;
  float unit = 0;       ///< px
  float pixel = 0;      ///< px of this photo for one of those that the mouth's thresholds were found on
  Rgb light = {};       ///< factors of paint
  ToneCurve tone = {};  ///< of the photo

  /// 0 to 2; 3: none holds the pixel.
  EMO_HOST_DEVICE int window_of(int x, int y) const {
    int w = 0;
    while (w < 3 && !windows[w].holds(x, y)) ++w;
    return w;
  }
  /// The rows of an area that belong to band `band`.
  EMO_HOST_DEVICE PixelArea in_band(PixelArea rows, int band) const {
    const int top = area.top + band * kBandRows;
    if (rows.top < top) rows.top = top;
    if (rows.bottom > top + kBandRows) rows.bottom = top + kBandRows;
    return rows;
  }
};

/// The cells of a map in which patches are noted: of each pixel of `area` `fine` by `fine`, centred on its parts.
class CellGrid {
 public:
  struct Range {
    int first, end;
  };
  EMO_HOST_DEVICE CellGrid(const PixelArea& area, int fine) : area(area), fine(fine), step(1.f / float(fine)) {}

  EMO_HOST_DEVICE int columns() const { return area.width() * fine; }
  EMO_HOST_DEVICE int rows() const { return area.height() * fine; }
  /// Whether a patch may cover any.
  EMO_HOST_DEVICE bool meets(const Patch& patch) const {
    return patch.corner[2].y >= float(area.top) && patch.corner[0].y <= float(area.bottom);
  }
  /// Rows whose centres a patch crosses, borders included.
  EMO_HOST_DEVICE Range rows_under(const Patch& patch) const {
    return range(patch.corner[0].y, patch.corner[2].y, float(area.top), rows());
  }
  /// Of one of these rows, the cells whose centres it covers.
  EMO_HOST_DEVICE Range columns_under(const Patch& patch, int row) const {
    const Point &a = patch.corner[0], &b = patch.corner[1], &c = patch.corner[2];
    const float y = clamped(float(area.top) + step / 2 + float(row) * step, a.y, c.y);
    const float whole = crossing(a, c, y);
    float left = whole, right = whole;
    if (y <= b.y) take(crossing(a, b, y), left, right);
    if (y >= b.y) take(crossing(b, c, y), left, right);
    return range(left, right, float(area.left), columns());
  }

  const PixelArea area;
  const int fine;
  const float step;  ///< px from a cell to the next

 private:
  EMO_HOST_DEVICE Range range(float low, float high, float from, int count) const {
    constexpr float kSlack = 1e-3f;  // of a cell: no cell between two triangles is left out
    const float origin = from + step / 2;
    return {int(clamped(ceilf((low - origin) / step - kSlack), 0, float(count))),
            int(clamped(floorf((high - origin) / step + kSlack), -1, float(count - 1))) + 1};
  }
  /// Where an edge, `from` above `to`, crosses height y; the same for both of its triangles.
  EMO_HOST_DEVICE static float crossing(Point from, Point to, float y) {
    return to.y > from.y ? from.x + (to.x - from.x) * ((y - from.y) / (to.y - from.y)) : from.x;
  }
  EMO_HOST_DEVICE static void take(float x, float& left, float& right) {
    left = x < left ? x : left, right = x > right ? x : right;
  }
};

/// Keys' cubic, a = -0.5: weights of the four pixels round a place at t from the second to the third.
EMO_HOST_DEVICE inline void cubic_weights(float t, float* w) {
  w[0] = ((-0.5f * t + 1) * t - 0.5f) * t;
  w[1] = (1.5f * t - 2.5f) * t * t + 1;
  w[2] = ((-1.5f * t + 2) * t + 0.5f) * t;
  w[3] = (0.5f * t - 0.5f) * t * t;
}

EMO_HOST_DEVICE inline float segment_distance(Point a, Point b, Point p) {
  const Point edge = b - a, to = p - a;
  const float t = clamped((to.x * edge.x + to.y * edge.y) / (edge.x * edge.x + edge.y * edge.y + 1e-9f), 0, 1);
  return hypotf(to.x - t * edge.x, to.y - t * edge.y);
}

/// Distance to a polygon's outline, positive inside.
EMO_HOST_DEVICE inline float polygon_distance(const Point* polygon, int corners, Point p) {
  float least = 1e9f;
  bool inside = false;
  for (int i = 0; i < corners; ++i) {
    const Point a = polygon[i], b = polygon[i + 1 < corners ? i + 1 : 0];
    const float distance = segment_distance(a, b, p);
    least = distance < least ? distance : least;
    if ((a.y > p.y) != (b.y > p.y) && p.x < a.x + (b.x - a.x) * (p.y - a.y) / (b.y - a.y)) inside = !inside;
  }
  return inside ? least : -least;
}

EMO_HOST_DEVICE inline std::uint8_t byte_of(float v) { return std::uint8_t(clamped(v, 0, 255) + 0.5f); }

/// The pixels of a moved face. Photo: bounds(), pixel(x, y) and bgr() as an ImageView's, its edge being that of
/// bounds(); add_inside() adds what the loops of add_photo() would to `sum` and gives true, or does nothing.
template <typename Photo>
class MovedPixels {
 public:
  EMO_HOST_DEVICE MovedPixels(const MovedFace& face, const Photo& photo) : face_(face), photo_(photo) {}

  /// Whether a triangle shows the photo as it is.
  EMO_HOST_DEVICE bool is_still(std::uint16_t index) const { return index == kNoTriangle || face_.triangles[index].still; }

  /// A place outside the windows, in a triangle.
  EMO_HOST_DEVICE Rgb moved(const MovedTriangle& map, Point at) const {
    const Point d = at - map.corner;
    // Places that the rounding of a sliver puts beyond its border are drawn back.
    const float second = clamped(map.second.x * d.x + map.second.y * d.y, 0, 1),
                third = clamped(map.third.x * d.x + map.third.y * d.y, 0, 1 - second);
    const Point place{map.photo_x.at(second, third), map.photo_y.at(second, third)};
    Rgb colour{};
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
    return times(colour, crease(map.texture_x.at(second, third), map.texture_y.at(second, third), weight));
  }

  /// What the photo shows at a place.
  EMO_HOST_DEVICE Rgb photo(Point at) const {
    Rgb colour{};
    add_photo(at, 1, colour);
    return colour;
  }

  /// How the cells of a window's pixel lie, whose triangles are cells(0) to cells(8).
  enum class Meeting {
    kStill,  ///< the photo as it is
    kSame,   ///< in one layer: one sample will do
    kMixed,  ///< the mean of all: the sum of their share_of_cell()
  };
  template <typename Cells>
  EMO_HOST_DEVICE Meeting meeting(const Cells& cells) const {
    const Layer middle = layer(cells(kFine * kFine / 2));
    bool same = true, still = face_.lashes[0].darkness <= 0 && face_.lashes[1].darkness <= 0;
    for (int k = 0; k < kFine * kFine; ++k) {
      const std::uint16_t index = cells(k);
      same &= layer(index) == middle;
      still &= index == kNoTriangle ? !face_.mouth.moves : face_.triangles[index].still;
    }
    return still ? Meeting::kStill : same ? Meeting::kSame : Meeting::kMixed;
  }
  /// What cell k of pixel (x, y) adds to it.
  EMO_HOST_DEVICE Rgb share_of_cell(std::uint16_t index, int x, int y, int k) const {
    const Point at{float(x) + (float(k % kFine) + 0.5f) / kFine, float(y) + (float(k / kFine) + 0.5f) / kFine};
    const Rgb colour = sample(index, at);
    return {colour[0] / (kFine * kFine), colour[1] / (kFine * kFine), colour[2] / (kFine * kFine)};
  }

  /// A place of a window: the mouth's inside where the skin leaves it bare, else what the triangle shows, under lashes.
  EMO_HOST_DEVICE Rgb sample(std::uint16_t index, Point at) const {
    Rgb colour;
    const int x = int(at.x), y = int(at.y);
    if (face_.windows[2].holds(x, y) && layer(index) != Layer::kSkin && mouth(at, colour)) return colour;
    colour = index == kNoTriangle ? photo(at) : moved(face_.triangles[index], at);
    for (int e = 0; e < 2; ++e) {
      const MovedFace::Lashes& lashes = face_.lashes[e];
      if (lashes.darkness <= 0 || !face_.windows[e].holds(x, y)) continue;
      float distance = 1e9f;
      for (int i = 0; i + 1 < kLashPoints; ++i) {
        const float to = segment_distance(lashes.line[i], lashes.line[i + 1], at);
        distance = to < distance ? to : distance;
      }
      distance /= lashes.width;
      if (distance < 3) colour = times(colour, 1 - lashes.darkness * expf(-distance * distance));
    }
    return colour;
  }

 private:
  enum class Layer { kEye, kSkin, kNeither };
  EMO_HOST_DEVICE Layer layer(std::uint16_t index) const {
    return index == kNoTriangle ? Layer::kNeither : face_.triangles[index].skin ? Layer::kSkin : Layer::kEye;
  }

  /// Adds weight times the photo's colour at a place.
  EMO_HOST_DEVICE void add_photo(Point at, float weight, Rgb& sum) const {
    const float u = at.x - 0.5f, v = at.y - 0.5f;
    const float left = floorf(u), top = floorf(v);
    float across[4], down[4];
    cubic_weights(u - left, across), cubic_weights(v - top, down);
    const PixelArea bounds = photo_.bounds();
    // Far outside, where a face's mesh may reach, int would overflow.
    const int x = int(clamped(left, float(bounds.left - 2), float(bounds.right))) - 1,
              y = int(clamped(top, float(bounds.top - 2), float(bounds.bottom))) - 1;
    const bool inside = x >= bounds.left && y >= bounds.top && x + 3 < bounds.right && y + 3 < bounds.bottom;
    if (inside && photo_.add_inside(x, y, across, down, weight, sum)) return;
    int columns[4];
    for (int i = 0; i < 4; ++i) columns[i] = inside ? x + i : within(x + i, bounds.left, bounds.right - 1);
    for (int j = 0; j < 4; ++j) {
      const int row = inside ? y + j : within(y + j, bounds.top, bounds.bottom - 1);
      float line[3] = {};
      for (int i = 0; i < 4; ++i) {
        const std::uint8_t* p = photo_.pixel(columns[i], row);
        for (int c = 0; c < 3; ++c) line[c] += across[i] * float(p[c]);
      }
      for (int c = 0; c < 3; ++c) sum[c] += weight * down[j] * line[c];
    }
  }
  EMO_HOST_DEVICE static int within(int v, int low, int high) { return v < low ? low : v < high ? v : high; }

  /// What a crease makes of the light at a place of the texture.
  EMO_HOST_DEVICE float crease(float x, float y, float weight) const {
    constexpr float kDarkest = -0.45f, kBrightest = 0.11f;
    const int columns = face_.shade_columns;
    const float u = clamped(fabsf(x) - 0.5f, 0, float(columns) - 1.001f),
                v = clamped(y - 0.5f, 0, float(face_.shade_rows) - 1.001f);
    const int column = int(u), line = int(v);
    const float fu = u - float(column), fv = v - float(line);
    const float* t = face_.shade + line * columns + column;
    const float shade = (1 - fv) * ((1 - fu) * t[0] + fu * t[1]) + fv * ((1 - fu) * t[columns] + fu * t[columns + 1]);
    const float e = weight * clamped(shade, kDarkest, kBrightest);
    return 1 + e * (1 + e / 2 * (1 + e / 3 * (1 + e / 4)));  // exp() to 2e-4 of 1
  }

  /// What shows in the mouth at a place; false where it is no part of it.
  EMO_HOST_DEVICE bool mouth(Point at, Rgb& colour) const {
    const MovedFace::Mouth& m = face_.mouth;
    if (!m.moves) return false;
    const float distance = polygon_distance(m.after, kMouthPoints, at);
    if (distance <= -0.8f * face_.pixel) return false;
    const Point d = at - m.middle;
    colour = paint_mouth({.u = (d.x * m.right.x + d.y * m.right.y) / face_.unit,
                          .v = (d.x * m.down.x + d.y * m.down.y) / face_.unit,
                          .jaw = m.jaw,
                          .depth = distance / face_.unit});
    for (int c = 0; c < 3; ++c) colour[c] *= face_.light[c];
    colour = face_.tone.toned(colour);
    if (photo_.bgr()) colour = {colour[2], colour[1], colour[0]};
    // The photo's own inside where it shows one.
    const bool open = m.gap > 2.5f * face_.pixel;
    const float share = open ? smooth_step(0.3f, 2.2f, polygon_distance(m.before, kMouthPoints, at) / face_.pixel) : 0;
    if (share <= 0) return true;
    const Rgb own = photo(at);
    for (int c = 0; c < 3; ++c) colour[c] += share * (own[c] - colour[c]);
    return true;
  }

  const MovedFace& face_;
  const Photo photo_;
};

}  // namespace emo
