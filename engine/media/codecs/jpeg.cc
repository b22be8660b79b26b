#include "engine/media/codecs/jpeg.h"

#include <csetjmp>
#include <cstdio>
#include <cstdlib>
// After cstdio, whose FILE it needs.
#include <jpeglib.h>

namespace emo {
namespace {

/// libjpeg ends the program at an error unless it is brought back. A function that calls setjmp() holds nothing that would
/// have to be destroyed.
struct Errors {
  jpeg_error_mgr base;
  std::jmp_buf back;

  jpeg_error_mgr* set() {
    jpeg_std_error(&base);
    base.error_exit = [](j_common_ptr codec) { std::longjmp(reinterpret_cast<Errors*>(codec->err)->back, 1); };
    return &base;
  }
};

class Decoder {
 public:
  explicit Decoder(std::span<const std::byte> bytes) {
    codec_.err = errors_.set();
    jpeg_create_decompress(&codec_);
    jpeg_mem_src(&codec_, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  }
  ~Decoder() { jpeg_destroy_decompress(&codec_); }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  /// Reads the header; width(), height() and channels() then hold.
  bool start() {
    if (setjmp(errors_.back)) return false;
    jpeg_read_header(&codec_, TRUE);
    const int stored = codec_.num_components;
    codec_.out_color_space = stored == 1 ? JCS_GRAYSCALE : stored == 4 ? JCS_CMYK : JCS_EXT_BGR;
    jpeg_start_decompress(&codec_);
    return true;
  }
  int width() const { return int(codec_.output_width); }
  int height() const { return int(codec_.output_height); }
  int channels() const { return codec_.output_components; }

  /// Rows of channels() bytes a pixel, `stride` bytes apart.
  bool read(std::uint8_t* rows, std::size_t stride) {
    if (setjmp(errors_.back)) return false;
    while (codec_.output_scanline < codec_.output_height) {
      JSAMPROW row = rows + codec_.output_scanline * stride;
      jpeg_read_scanlines(&codec_, &row, 1);
    }
    jpeg_finish_decompress(&codec_);
    return true;
  }

 private:
  Errors errors_;
  jpeg_decompress_struct codec_;
};

class Encoder {
 public:
  Encoder() {
    codec_.err = errors_.set();
    jpeg_create_compress(&codec_);
  }
  ~Encoder() {
    jpeg_destroy_compress(&codec_);
    std::free(file_);
  }
  Encoder(const Encoder&) = delete;
  Encoder& operator=(const Encoder&) = delete;

  bool write(const std::uint8_t* bgr, std::size_t stride, int width, int height, int quality) {
    if (setjmp(errors_.back)) return false;
    jpeg_mem_dest(&codec_, &file_, &size_);
    codec_.image_width = JDIMENSION(width), codec_.image_height = JDIMENSION(height);
    codec_.input_components = 3, codec_.in_color_space = JCS_EXT_BGR;
    jpeg_set_defaults(&codec_);
    jpeg_set_quality(&codec_, quality, TRUE);
    jpeg_start_compress(&codec_, TRUE);
    while (codec_.next_scanline < codec_.image_height) {
      JSAMPROW row = const_cast<std::uint8_t*>(bgr) + codec_.next_scanline * stride;
      jpeg_write_scanlines(&codec_, &row, 1);
    }
    jpeg_finish_compress(&codec_);
    return true;
  }
  std::span<const std::uint8_t> file() const { return {file_, size_}; }

 private:
  Errors errors_;
  jpeg_compress_struct codec_;
  unsigned char* file_ = nullptr;
  unsigned long size_ = 0;
};

}  // namespace

cv::Mat decode_jpeg(std::span<const std::byte> bytes) {
  Decoder decoder(bytes);
  if (!decoder.start()) return {};
  const int channels = decoder.channels();
  cv::Mat pixels(decoder.height(), decoder.width(), CV_8UC(channels));
  if (!decoder.read(pixels.data, pixels.step)) return {};
  if (channels < 4) return pixels;
  cv::Mat bgr(pixels.rows, pixels.cols, CV_8UC3);
  for (int y = 0; y < pixels.rows; ++y) {
    const std::uint8_t* cmyk = pixels.ptr(y);
    std::uint8_t* to = bgr.ptr(y);
    for (int x = 0; x < pixels.cols; ++x, cmyk += 4, to += 3) {
      for (int c = 0; c < 3; ++c) to[2 - c] = std::uint8_t(cmyk[3] - ((255 - cmyk[c]) * cmyk[3] >> 8));
    }
  }
  return bgr;
}

bool encode_jpeg(const cv::Mat& bgr, int quality, std::vector<std::uint8_t>& encoded) {
  Encoder encoder;
  if (!encoder.write(bgr.data, bgr.step, bgr.cols, bgr.rows, quality)) return false;
  encoded.assign(encoder.file().begin(), encoder.file().end());
  return true;
}

}  // namespace emo
