// Pictures by the codec that the program brings, for builds without OpenCV's.
#include "engine/media/image/codec.h"

#include <mutex>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <optional>

#include "base/error.h"

namespace emo {
namespace {

std::mutex mutex;
std::optional<PictureCodec> brought;

PictureCodec codec() {
  const std::lock_guard lock(mutex);
  if (!brought) {
    fail(ErrorKind::kDevice,
         "media: this build has no codec for pictures; the program has to bring one, by "
         "emo_set_picture_codec()");
  }
  return *brought;
}

}  // namespace

cv::Mat decode_pixels(FileKind, std::span<const std::byte> bytes, const std::string&, OpenModules) {
  cv::Mat pixels;
  const bool decoded = codec().decode(bytes, [&](const ImageView& image) {
    const int type = image.step() == 4 ? CV_8UC4 : CV_8UC3;
    const cv::Mat given(image.height, image.width, type, const_cast<std::uint8_t*>(image.data), std::size_t(image.stride));
    if (image.bgr()) {
      pixels = given.clone();
    } else {
      cv::cvtColor(given, pixels, type == CV_8UC4 ? cv::COLOR_RGBA2BGRA : cv::COLOR_RGB2BGR);
    }
  });
  return decoded ? pixels : cv::Mat();
}

bool encode_pixels(const std::string& extension, const cv::Mat& pixels, std::vector<std::uint8_t>& encoded, OpenModules) {
  const auto order = pixels.channels() == 4 ? PixelOrder::kBgra : PixelOrder::kBgr;
  const ImageView image{pixels.data, pixels.cols, pixels.rows, std::ptrdiff_t(pixels.step), order};
  const bool done = codec().encode(image, extension.substr(1), [&](std::span<const std::byte> file) {
    const auto* data = reinterpret_cast<const std::uint8_t*>(file.data());
    encoded.assign(data, data + file.size());
  });
  return done && !encoded.empty();
}

void set_codec(const PictureCodec& codec) {
  const std::lock_guard lock(mutex);
  brought = codec;
}

}  // namespace emo
