#include "engine/backend/shared/warp.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "engine/backend/shared/face_taps.h"
#include "tests/mean_face.h"
#include "tests/random_image.h"
#include "tests/throws.h"

namespace emo {
namespace {

class Warp : public ::testing::Test {
 protected:
  static Image drawn(const Image& photo, const FaceMesh& mesh, const EachRow& rows = row_by_row, const Tone& tone = {}) {
    Image out(photo.width, photo.height);
    warp_face(photo, mesh, tone, out, rows);
    return out;
  }
  /// The pixels of a photo from (left, top) on.
  static Image part(const Image& photo, int left, int top, int width, int height) {
    Image image(width, height);
    for (int y = 0; y < height; ++y) std::copy_n(photo.pixel(left, top + y), 3 * width, image.pixel(0, y));
    return image;
  }
  /// A photo whose neighbouring pixels are alike, so that a jump is seen.
  static Image ramp(int width, int height) {
    Image image(width, height);
    for (int y = 0; y < height; ++y) {
      for (int x = 0; x < width; ++x) {
        std::uint8_t* p = image.pixel(x, y);
        p[0] = std::uint8_t(40 + x / 2), p[1] = std::uint8_t(40 + y / 2), p[2] = std::uint8_t(40 + (x + y) / 4);
      }
    }
    return image;
  }

  const MeanFace face_;
  const Image photo_ = noise(257, 263);
  const std::vector<Point> landmarks_ = face_.at(131.3f, 107.9f, 61);
  const FaceMesh surprise_ = face_.mesh(landmarks_, "AU26");
};

TEST_F(Warp, NoAusGivesThePhotosBytes) {
  const auto shown = face_.showing("AU12", 0.7f);
  const Image out = drawn(photo_, face_.motion().mesh(landmarks_, shown, shown));
  const PixelArea area = area_under(photo_, face_.motion().mesh(landmarks_, shown, shown));
  for (int y = area.top; y < area.bottom; ++y) {
    for (int x = area.left; x < area.right; ++x) {
      for (int c = 0; c < 3; ++c) ASSERT_EQ(out.pixel(x, y)[c], photo_.pixel(x, y)[c]) << x << ',' << y;
    }
  }
}

TEST_F(Warp, ThreadsDoNotMatter) {
  const Image want = drawn(photo_, surprise_);
  const auto backwards = [](int count, const std::function<void(int)>& row) {
    for (int y = count - 1; y >= 0; --y) row(y);
  };
  EXPECT_EQ(drawn(photo_, surprise_, backwards).rgb, want.rgb);
  const auto shared = [](int count, const std::function<void(int)>& row) {
    std::atomic<int> next{0};
    std::vector<std::jthread> threads;
    for (int i = 0; i < 3; ++i) {
      threads.emplace_back([&] {
        for (int y; (y = next++) < count;) row(y);
      });
    }
  };
  EXPECT_EQ(drawn(photo_, surprise_, shared).rgb, want.rgb);
}

TEST_F(Warp, DrawnIntoThePhotoItselfItIsTheSame) {
  const PixelArea area = area_under(photo_, surprise_);
  Image separate = photo_, in_place = photo_;
  warp_face(photo_, surprise_, {}, separate, row_by_row);
  warp_face(in_place, surprise_, {}, in_place, row_by_row);
  EXPECT_EQ(in_place.rgb, separate.rgb);
  EXPECT_NE(in_place.rgb, photo_.rgb);
  EXPECT_LT(area.right - area.left, 257) << "else nothing outside is told";
}

TEST_F(Warp, ColoursKeepTheirPlacesAndAFourthChannelIsLeft) {
  const Image want = drawn(photo_, surprise_);
  std::vector<std::uint8_t> bgra, out(std::size_t(4) * 257 * 263, 77);
  for (std::size_t i = 0; i < photo_.rgb.size(); i += 3) {
    bgra.insert(bgra.end(), {photo_.rgb[i + 2], photo_.rgb[i + 1], photo_.rgb[i], 200});
  }
  const ImageView from{bgra.data(), 257, 263, 4 * 257, PixelOrder::kBgra};
  const MutableImageView to{out.data(), 257, 263, 4 * 257, PixelOrder::kRgba};
  warp_face(from, surprise_, {}, to, row_by_row);
  const PixelArea area = area_under(photo_, surprise_);
  for (int y = area.top; y < area.bottom; ++y) {
    for (int x = area.left; x < area.right; ++x) {
      for (int c = 0; c < 3; ++c) ASSERT_EQ(to.pixel(x, y)[c], want.pixel(x, y)[c]) << x << ',' << y;
      ASSERT_EQ(to.pixel(x, y)[3], 77);
    }
  }
}

// By plain loops: the last triangle in the order of drawing that holds a pixel's middle, its affine map, Keys' cubic.
TEST_F(Warp, SkinIsThePhotoWhereItsTrianglesSay) {
  FaceMesh mesh = face_.mesh(landmarks_, "AU04");
  std::ranges::fill(mesh.shade, 0.f);
  const Image out = drawn(photo_, mesh);
  const auto cross = [](double ax, double ay, double bx, double by) { return ax * by - ay * bx; };
  // Round the openings skin and what lies under it share pixels.
  const auto near = [](std::span<const Point> points, double px, double py) {
    return std::ranges::any_of(points, [&](Point p) { return std::hypot(p.x - px, p.y - py) < 12; });
  };
  const auto eyes = std::span(std::as_const(mesh.picture)).last(2 * kEyePoints);
  int compared = 0;
  for (int y = 20; y < 250; y += 3) {
    for (int x = 20; x < 240; x += 3) {
      const double px = x + 0.5, py = y + 0.5;
      if (near(mesh.mouth.after, px, py) || near(eyes.first(kEyePoints), px, py) || near(eyes.last(kEyePoints), px, py))
        continue;
      bool skin = false, near_border = false;
      double u = px, v = py;
      for (const FaceTriangle& triangle : mesh.triangles) {
        const auto at = [&](int i) { return mesh.picture[std::size_t(triangle.corner[i])]; };
        const auto from = [&](int i) { return mesh.photo[std::size_t(triangle.corner[i])]; };
        const double ax = at(1).x - at(0).x, ay = at(1).y - at(0).y, bx = at(2).x - at(0).x, by = at(2).y - at(0).y;
        const double area = cross(ax, ay, bx, by), dx = px - at(0).x, dy = py - at(0).y;
        const double s = cross(dx, dy, bx, by) / area, t = cross(ax, ay, dx, dy) / area;
        const double least = std::min({s, t, 1 - s - t}) * std::abs(area) / std::max(std::hypot(ax, ay), std::hypot(bx, by));
        near_border |= std::abs(least) < 0.02;
        if (!(least > 0)) continue;
        skin = triangle.layer == FaceTriangle::Layer::kSkin;
        u = from(0).x + s * (from(1).x - from(0).x) + t * (from(2).x - from(0).x);
        v = from(0).y + s * (from(1).y - from(0).y) + t * (from(2).y - from(0).y);
        const double stretch = std::hypot(from(1).x - from(0).x, from(1).y - from(0).y) / (std::hypot(ax, ay) + 1e-9);
        near_border |= stretch > 1.2 || std::hypot(u - px, v - py) < 0.02;  // a mean of samples, or the photo's byte
      }
      if (!skin || near_border) continue;
      double want[3] = {};
      const int left = int(std::floor(u - 0.5)), top = int(std::floor(v - 0.5));
      for (int j = top - 1; j <= top + 2; ++j) {
        for (int i = left - 1; i <= left + 2; ++i) {
          for (int c = 0; c < 3; ++c) want[c] += cubic(u - 0.5 - i) * cubic(v - 0.5 - j) * photo_.pixel(i, j)[c];
        }
      }
      // Places are off by 3e-5 px in fp32, the noise changes by 255 a pixel; half is rounding.
      for (int c = 0; c < 3; ++c) ASSERT_NEAR(out.pixel(x, y)[c], std::clamp(want[c], 0., 255.), 0.55) << x << ',' << y;
      ++compared;
    }
  }
  EXPECT_GT(compared, 1000);
}

TEST_F(Warp, FaceCutByTheEdgeIsNotTorn) {
  const Image whole = ramp(400, 400);
  for (const auto& [left, top] : {std::pair{150, 0}, {0, 150}, {120, 170}, {-1, -1}}) {
    const bool right_below = left < 0;  // cut at the other two edges
    const int x0 = right_below ? 0 : left, y0 = right_below ? 0 : top, width = right_below ? 230 : 400 - left,
              height = right_below ? 210 : 400 - top;
    const Image cut = part(whole, x0, y0, width, height);
    const Image want = drawn(whole, face_.mesh(face_.at(200, 180, 80), "AU26"));
    const FaceMesh mesh = face_.mesh(face_.at(200.f - float(x0), 180.f - float(y0), 80), "AU26");
    const Image out = drawn(cut, mesh);
    const PixelArea area = area_under(cut, mesh);
    // Nothing moves by more than 25 px here, and the cubic takes two more: further inside it is as in the whole photo, but
    // for the rounding of other coordinates. Nearer the edge is repeated, which makes no jump: 2 levels a pixel of the ramp,
    // drawn together at most threefold.
    for (int y = area.top; y + 1 < area.bottom; ++y) {
      for (int x = area.left; x + 1 < area.right; ++x) {
        const bool inside =
            (x0 == 0 || x >= 28) && (y0 == 0 || y >= 28) && (!right_below || (x < width - 28 && y < height - 28));
        for (int c = 0; c < 3 && inside; ++c)
          ASSERT_NEAR(out.pixel(x, y)[c], want.pixel(x + x0, y + y0)[c], 1) << x << ',' << y;
      }
    }
  }
}

TEST_F(Warp, AFaceFarOutsideThePhotoLeavesIt) {
  for (const float far : {1e4f, -1e4f, 1e7f}) {
    Image out = photo_;
    warp_face(photo_, face_.mesh(face_.at(far, far, 61), "AU26"), {}, out, row_by_row);
    EXPECT_EQ(out.rgb, photo_.rgb) << far;
  }
}

TEST_F(Warp, ADroppedJawShowsTheInsideOfTheMouth) {
  Image grey(257, 263);
  std::ranges::fill(grey.rgb, std::uint8_t(180));
  const Image out = drawn(grey, surprise_);
  const auto& opening = surprise_.mouth.after;
  Point middle;
  for (const Point p : opening) middle = {middle.x + p.x / 20, middle.y + p.y / 20};
  const std::uint8_t* inside = out.pixel(int(middle.x), int(middle.y));
  EXPECT_LT(inside[0] + inside[1] + inside[2], 250) << "neither the photo's grey nor a tooth";
  EXPECT_GT(inside[0], inside[1]) << "flesh is red";
}

TEST_F(Warp, AGreyPhotoStaysGrey) {
  Image grey(257, 263);
  for (std::size_t i = 0; i < grey.rgb.size(); ++i) grey.rgb[i] = std::uint8_t(60 + i / 3 % 257 / 2);
  const Image out = drawn(grey, surprise_, row_by_row, tone_of(grey, {80, 60, 120}));
  const PixelArea area = area_under(grey, surprise_);
  for (int y = area.top; y < area.bottom; ++y) {
    for (int x = area.left; x < area.right; ++x) {
      const std::uint8_t* p = out.pixel(x, y);  // a curve's colours and their luminance are rounded: 1
      ASSERT_LE(std::max({p[0], p[1], p[2]}) - std::min({p[0], p[1], p[2]}), 1) << x << ',' << y;
    }
  }
}

TEST_F(Warp, ThePictureHasThePhotosSize) {
  Image other(10, 10);
  EXPECT_EQ(text_of(ErrorKind::kInternal, [&] { warp_face(photo_, surprise_, {}, other, row_by_row); }),
            "warp: the photo has 257x263 px and the picture 10x10");
}

}  // namespace
}  // namespace emo
