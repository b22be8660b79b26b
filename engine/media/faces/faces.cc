#include "engine/media/faces/faces.h"

#include <dlib/test_for_odr_violations.h>  // and with it dlib/config.h
// dlib then splits the filters by its own decomposition: who only looks for faces needs no LAPACK, and gets the same boxes
// whichever is installed.
#undef DLIB_USE_BLAS
#undef DLIB_USE_LAPACK
#include <dlib/image_processing/frontal_face_detector.h>
#include <dlib/opencv.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <opencv2/imgproc.hpp>
#include <optional>
#include <sstream>
#include <tuple>

#include "base/error.h"
#include "base/in_parallel.h"

namespace emo {

// Made at build time by embed/face_filters.cc.
extern const unsigned char kFaceFilters[];
extern const std::size_t kFaceFiltersBytes;

namespace {

constexpr double kMostPixels = 50e6;                // of an enlarged picture: dlib takes 5 s for it
constexpr double kWindow = 80;                      // dlib's sliding window in pixels, its smallest face
constexpr double kCloser_px[] = {88, 93, 98, 103};  // the face's side in each: four within one step of dlib's pyramid, 6/5

const dlib::frontal_face_detector& trained_detector() {
  static const dlib::frontal_face_detector detector = [] {
    std::istringstream in(std::string(reinterpret_cast<const char*>(kFaceFilters), kFaceFiltersBytes));
    dlib::frontal_face_detector d;
    deserialize(d, in);
    return d;
  }();
  return detector;
}

/// A picture turned about its middle, so that faces of a roll stand upright in it.
class Turned {
 public:
  Turned() = default;
  Turned(const cv::Size& size, float roll)
      : cos_(std::cos(roll)), sin_(std::sin(roll)), from_(size.width / 2., size.height / 2.) {
    size_ = {int(std::ceil(size.width * std::abs(cos_) + size.height * std::abs(sin_))),
             int(std::ceil(size.width * std::abs(sin_) + size.height * std::abs(cos_)))};
    middle_ = {size_.width / 2., size_.height / 2.};
  }

  /// Where a place of the turned picture lies in the picture.
  cv::Point2d back(const cv::Point2d& place) const {
    const cv::Point2d d = place - middle_;
    return from_ + cv::Point2d(cos_ * d.x - sin_ * d.y, sin_ * d.x + cos_ * d.y);
  }
  /// Interpolated linearly, grey outside. A loop of our own: OpenCV's warpAffine() brings its solvers, and with them LAPACK,
  /// into the Python package.
  cv::Mat picture(const cv::Mat& rgb) const {
    cv::Mat out(size_, CV_8UC3, cv::Scalar(128, 128, 128));
    for (int y = 0; y < out.rows; ++y) {
      const cv::Point2d first = back({0.5, y + 0.5}) - cv::Point2d(0.5, 0.5);
      auto* to = out.ptr<cv::Vec3b>(y);
      for (int x = 0; x < out.cols; ++x) {
        const auto u = float(first.x + cos_ * x), v = float(first.y + sin_ * x);
        if (!(u >= 0 && v >= 0 && u < float(rgb.cols - 1) && v < float(rgb.rows - 1))) continue;
        const int left = int(u), top = int(v);
        const float fx = u - float(left), fy = v - float(top);
        const auto *above = rgb.ptr<cv::Vec3b>(top) + left, *below = rgb.ptr<cv::Vec3b>(top + 1) + left;
        for (int c = 0; c < 3; ++c) {
          const float upper = (1 - fx) * above[0][c] + fx * above[1][c], lower = (1 - fx) * below[0][c] + fx * below[1][c];
          to[x][c] = std::uint8_t((1 - fy) * upper + fy * lower + 0.5f);
        }
      }
    }
    return out;
  }

 private:
  double cos_ = 1, sin_ = 0;
  cv::Point2d from_, middle_;
  cv::Size size_;
};

std::vector<Box> find_at(const cv::Mat& rgb, double scale, float roll = 0) {
  cv::Mat scaled = rgb;
  if (scale != 1) {
    const cv::Size size(std::max(1, int(std::lround(rgb.cols * scale))), std::max(1, int(std::lround(rgb.rows * scale))));
    cv::resize(rgb, scaled, size, 0, 0, scale < 1 ? cv::INTER_AREA : cv::INTER_LINEAR);
  }
  const double to_x = double(rgb.cols) / scaled.cols, to_y = double(rgb.rows) / scaled.rows;
  Turned turned;
  if (roll != 0) {
    turned = Turned(scaled.size(), roll);
    scaled = turned.picture(scaled);
  }
  dlib::frontal_face_detector detector = trained_detector();  // it holds the scanned picture; a copy costs 0.1 ms
  std::vector<Box> boxes;
  for (const dlib::rectangle& r : detector(dlib::cv_image<dlib::rgb_pixel>(scaled))) {
    const double width = double(r.width()) * to_x, height = double(r.height()) * to_y, side = (width + height) / 2;
    if (roll != 0) {
      const cv::Point2d middle = turned.back({r.left() + r.width() / 2., r.top() + r.height() / 2.});
      boxes.push_back({float(middle.x * to_x - side / 2), float(middle.y * to_y - side / 2), float(side), roll});
      continue;
    }
    boxes.push_back({float(double(r.left()) * to_x + (width - side) / 2),
                     float(double(r.top()) * to_y + (height - side) / 2), float(side)});
  }
  return boxes;
}

/// The mean of a box and of those that closer looks find in its place; none when most of them find nothing there.
std::optional<Box> refined(const cv::Mat& rgb, const Box& found) {
  const Box around = scaled(found, kFaceRegion);
  const cv::Rect whole(0, 0, rgb.cols, rgb.rows);
  const cv::Rect region = cv::Rect(int(around.x), int(around.y), int(around.side), int(around.side)) & whole;
  std::vector<Box> seen[std::size(kCloser_px)];
  in_parallel(int(std::size(kCloser_px)), 0,
              [&](int i) { seen[i] = find_at(rgb(region), kCloser_px[i] / double(found.side)); });
  Box sum = found;
  std::size_t looks = 1;
  for (const auto& boxes : seen) {
    for (Box box : boxes) {
      box.x += float(region.x), box.y += float(region.y);
      if (distance(found, box) > 0.5f) continue;  // a neighbour's face
      sum = {sum.x + box.x, sum.y + box.y, sum.side + box.side};
      ++looks;
      break;
    }
  }
  // Of 160 portraits each had all five, a shoulder's badge two.
  if (looks <= (1 + std::size(kCloser_px)) / 2) return std::nullopt;
  const float share = 1 / float(looks);
  return Box{sum.x * share, sum.y * share, sum.side * share};
}

}  // namespace

std::vector<Box> find_faces(const Image& image, std::string* tried, const FaceSearch& search) {
  EMO_CHECK(image.width > 0 && image.height > 0 && image.rgb.size() == std::size_t(image.width) * image.height * 3,
            "find_faces: ", image.width, "x", image.height, " with ", image.rgb.size(), " bytes");
  const cv::Mat rgb(image.height, image.width, CV_8UC3, const_cast<std::uint8_t*>(image.rgb.data()));
  std::vector<Box> boxes;
  std::ostringstream looks;
  double scale = std::min(1.0, double(search.side_px) / std::max(image.width, image.height));
  if (search.min_px > 0) {
    scale = std::min(kWindow / search.min_px, std::sqrt(kMostPixels / (double(image.width) * image.height)));
  }
  // Each look is at twice the size of the one before, so three at most at 5120 pixels a side.
  for (int look = 0; look < search.looks && boxes.empty(); ++look, scale *= 2) {
    if (look < search.first) continue;
    if (search.roll != 0) {
      looks << "turned by " << std::lround(search.roll * 180 / std::numbers::pi) << " degrees";
    } else {
      looks << (look > search.first ? ", "
                : look              ? ""
                                    : "at ")
            << std::round(scale * 100) / 100 << "x (" << (look ? "" : "faces ") << "from " << std::ceil(kWindow / scale)
            << " px)";
    }
    for (const Box& found : find_at(rgb, scale, search.roll)) {
      const std::optional<Box> box = search.refine ? refined(rgb, found) : found;
      if (box) boxes.push_back(*box);
    }
  }
  if (tried) *tried = looks.str();
  std::ranges::sort(
      boxes, [](const Box& a, const Box& b) { return std::tuple(-a.side, a.y, a.x) < std::tuple(-b.side, b.y, b.x); });
  return boxes;
}

}  // namespace emo
