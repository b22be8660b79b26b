// JPEG and PNG by their own libraries, which load in a millisecond; what is rarer by OpenCV.
#include "engine/media/image/codec.h"

#include "base/error.h"
#include "engine/media/codecs/jpeg.h"
#include "engine/media/codecs/png.h"

namespace emo {

cv::Mat decode_pixels(FileKind kind, std::span<const std::byte> bytes, const std::string& name, OpenModules modules) {
  if (kind == FileKind::kJpeg) return decode_jpeg(bytes);
  if (kind == FileKind::kPng) return decode_png(bytes);
  cv::Mat pixels;
  modules().decode(kind, bytes, name, pixels);
  return pixels;
}

bool encode_pixels(const std::string& extension, const cv::Mat& pixels, std::vector<std::uint8_t>& encoded,
                   OpenModules modules) {
  if (extension == ".png") return encode_png(pixels, encoded);
  if (extension == ".jpg" || extension == ".jpeg") return encode_jpeg(pixels, 95, encoded);
  return modules().encode(extension, pixels, encoded);
}

void set_codec(const PictureCodec&) {
  fail(ErrorKind::kDevice,
       "codec: this build reads and writes pictures itself; -DEMO_PYTHON=ON builds one that takes yours");
}

}  // namespace emo
