#include "engine/media/codecs/png.h"

#include <png.h>
#include <zlib.h>

#include <bit>
#include <csetjmp>
#include <cstring>

namespace emo {
namespace {

static_assert(std::endian::native == std::endian::little);  // PNG's 16 bits are not

// libpng comes back from an error by longjmp(). A function that calls setjmp() holds nothing that would have to be
// destroyed.

class Decoder {
 public:
  explicit Decoder(std::span<const std::byte> bytes) : left_(bytes) {
    codec_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
    if (codec_) info_ = png_create_info_struct(codec_);
  }
  ~Decoder() { png_destroy_read_struct(&codec_, &info_, nullptr); }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  /// Reads the header; width(), height(), channels() and bits() then hold.
  bool start() {
    if (!info_ || setjmp(png_jmpbuf(codec_))) return false;
    png_set_read_fn(codec_, this, [](png_structp codec, png_bytep to, std::size_t count) {
      std::span<const std::byte>& left = static_cast<Decoder*>(png_get_io_ptr(codec))->left_;
      if (count > left.size()) png_error(codec, "the file ends early");
      std::memcpy(to, left.data(), count);
      left = left.subspan(count);
    });
    png_read_info(codec_, info_);
    const int color = png_get_color_type(codec_, info_);
    const bool sees_through = png_get_valid(codec_, info_, PNG_INFO_tRNS) && (color & PNG_COLOR_MASK_COLOR);
    if (sees_through) png_set_tRNS_to_alpha(codec_);
    if (color == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(codec_);
    if (color == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(codec_);
    if (color == PNG_COLOR_TYPE_GRAY_ALPHA) png_set_gray_to_rgb(codec_);
    png_set_bgr(codec_);
    png_set_swap(codec_);
    png_set_interlace_handling(codec_);
    png_read_update_info(codec_, info_);
    return true;
  }
  int width() const { return int(png_get_image_width(codec_, info_)); }
  int height() const { return int(png_get_image_height(codec_, info_)); }
  int channels() const { return png_get_channels(codec_, info_); }
  int bits() const { return png_get_bit_depth(codec_, info_); }

  bool read(png_bytepp rows) {
    if (setjmp(png_jmpbuf(codec_))) return false;
    png_read_image(codec_, rows);
    png_read_end(codec_, info_);
    return true;
  }

 private:
  png_structp codec_ = nullptr;
  png_infop info_ = nullptr;
  std::span<const std::byte> left_;
};

class Encoder {
 public:
  explicit Encoder(std::vector<std::uint8_t>& file) : file_(file) {
    codec_ = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
    if (codec_) info_ = png_create_info_struct(codec_);
  }
  ~Encoder() { png_destroy_write_struct(&codec_, &info_); }
  Encoder(const Encoder&) = delete;
  Encoder& operator=(const Encoder&) = delete;

  bool write(png_bytepp rows, int width, int height, int channels) {
    if (!info_ || setjmp(png_jmpbuf(codec_))) return false;
    png_set_write_fn(
        codec_, this,
        [](png_structp codec, png_bytep from, std::size_t count) {
          auto& file = static_cast<Encoder*>(png_get_io_ptr(codec))->file_;
          file.insert(file.end(), from, from + count);
        },
        [](png_structp) {});
    // OpenCV's choice, fast rather than tight: pictures have the bytes that they had when it wrote them.
    png_set_filter(codec_, PNG_FILTER_TYPE_BASE, PNG_FILTER_SUB);
    png_set_compression_level(codec_, Z_BEST_SPEED);
    png_set_compression_strategy(codec_, Z_RLE);
    png_set_IHDR(codec_, info_, png_uint_32(width), png_uint_32(height), 8,
                 channels == 4 ? PNG_COLOR_TYPE_RGB_ALPHA : PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(codec_, info_);
    png_set_bgr(codec_);
    png_write_image(codec_, rows);
    png_write_end(codec_, info_);
    return true;
  }

 private:
  std::vector<std::uint8_t>& file_;
  png_structp codec_ = nullptr;
  png_infop info_ = nullptr;
};

std::vector<png_bytep> rows_of(const cv::Mat& pixels) {
  std::vector<png_bytep> rows;
  for (int y = 0; y < pixels.rows; ++y) rows.push_back(const_cast<png_bytep>(pixels.ptr(y)));
  return rows;
}

}  // namespace

cv::Mat decode_png(std::span<const std::byte> bytes) {
  Decoder decoder(bytes);
  if (!decoder.start()) return {};
  cv::Mat pixels(decoder.height(), decoder.width(), CV_MAKETYPE(decoder.bits() == 16 ? CV_16U : CV_8U, decoder.channels()));
  return decoder.read(rows_of(pixels).data()) ? pixels : cv::Mat();
}

bool encode_png(const cv::Mat& pixels, std::vector<std::uint8_t>& encoded) {
  encoded.clear();
  return Encoder(encoded).write(rows_of(pixels).data(), pixels.cols, pixels.rows, pixels.channels());
}

}  // namespace emo
