#include "engine/media/faces.h"

#include <dlib/image_processing/frontal_face_detector.h>
#include <dlib/opencv.h>

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>
#include <sstream>
#include <tuple>

#include "base/error.h"

namespace emo {

// Made at build time by embed/face_filters.cc.
extern const unsigned char kFaceFilters[];
extern const std::size_t kFaceFiltersBytes;

namespace {

constexpr int kFirstSide = 1280;  // the first look takes at most 0.17 s: dlib needs 0.1 s a megapixel
constexpr double kWindow = 80;    // dlib's sliding window in pixels, its smallest face

const dlib::frontal_face_detector& trained_detector() {
  static const dlib::frontal_face_detector detector = [] {
    std::istringstream in(std::string(reinterpret_cast<const char*>(kFaceFilters), kFaceFiltersBytes));
    dlib::frontal_face_detector d;
    deserialize(d, in);
    return d;
  }();
  return detector;
}

std::vector<Box> find_at(const cv::Mat& rgb, double scale) {
  cv::Mat scaled = rgb;
  if (scale != 1) {
    const cv::Size size(std::max(1, int(std::lround(rgb.cols * scale))), std::max(1, int(std::lround(rgb.rows * scale))));
    cv::resize(rgb, scaled, size, 0, 0, scale < 1 ? cv::INTER_AREA : cv::INTER_LINEAR);
  }
  const double to_x = double(rgb.cols) / scaled.cols, to_y = double(rgb.rows) / scaled.rows;
  dlib::frontal_face_detector detector = trained_detector();  // it holds the scanned picture; a copy costs 0.1 ms
  std::vector<Box> boxes;
  for (const dlib::rectangle& r : detector(dlib::cv_image<dlib::rgb_pixel>(scaled))) {
    const double width = double(r.width()) * to_x, height = double(r.height()) * to_y, side = (width + height) / 2;
    boxes.push_back({float(double(r.left()) * to_x + (width - side) / 2),
                     float(double(r.top()) * to_y + (height - side) / 2), float(side)});
  }
  return boxes;
}

}  // namespace

std::vector<Box> find_faces(const Image& image, std::string* tried, int most_looks) {
  EMO_CHECK(image.width > 0 && image.height > 0 && image.rgb.size() == std::size_t(image.width) * image.height * 3,
            "find_faces: ", image.width, "x", image.height, " with ", image.rgb.size(), " bytes");
  const cv::Mat rgb(image.height, image.width, CV_8UC3, const_cast<std::uint8_t*>(image.rgb.data()));
  std::vector<Box> boxes;
  std::ostringstream looks;
  double scale = std::min(1.0, double(kFirstSide) / std::max(image.width, image.height));
  // Each look is at twice the size of the one before, so three at most at 5120 pixels a side.
  for (int look = 0; look < most_looks && boxes.empty(); ++look, scale *= 2) {
    looks << (look ? ", " : "at ") << std::round(scale * 100) / 100 << "x (" << (look ? "" : "faces ") << "from "
          << std::ceil(kWindow / scale) << " px)";
    boxes = find_at(rgb, scale);
  }
  if (tried) *tried = looks.str();
  std::ranges::sort(
      boxes, [](const Box& a, const Box& b) { return std::tuple(-a.side, a.y, a.x) < std::tuple(-b.side, b.y, b.x); });
  return boxes;
}

}  // namespace emo
