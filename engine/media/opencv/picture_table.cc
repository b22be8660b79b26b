#include "engine/media/opencv/picture_table.h"

#include <algorithm>
#include <opencv2/freetype.hpp>
#include <opencv2/imgproc.hpp>

#include "base/error.h"

namespace emo {
namespace {

const cv::Scalar kInk(34, 34, 34), kPaper(255, 255, 255);
constexpr int kGap = 6;           // between pictures, and between a picture and its caption
constexpr int kMargin = 16;       // round the whole
constexpr double kLeading = 1.4;  // from line to line, as a share of the letters' height

/// Text in one font at one size. Widths are FreeType's.
class Pen {
 public:
  Pen(const std::filesystem::path& font, int height) : height_(height), freetype_(cv::freetype::createFreeType2()) {
    if (!std::filesystem::is_regular_file(font)) {
      fail(ErrorKind::kInput, font.string(),
           ": there is no such font; install fonts-dejavu-core, or name a font with `font`");
    }
    try {
      freetype_->loadFontData(font.string(), 0);
    } catch (const cv::Exception&) {
      fail(ErrorKind::kInput, font.string(),
           ": is no font that FreeType reads; name a TrueType or OpenType file with `font`");
    }
  }

  int line() const { return int(height_ * kLeading); }
  int width(const std::string& text) const {
    return text.empty() ? 0 : freetype_->getTextSize(text, height_, -1, nullptr).width;
  }

  enum class Align { kLeft, kCentre };
  /// The line of text whose top is y; x is its left end or its centre. A text wider than `room` ends in dots.
  void write(cv::Mat& page, std::string text, int x, int y, int room, Align align) const {
    if (width(text) > room) {
      do pop_letter(text);
      while (!text.empty() && width(text + "...") > room);
      text += "...";
    }
    if (align == Align::kCentre) x -= width(text) / 2;
    // The height counts from the line below the letters' tails to the top of the tallest, so the baseline is at 4/5 of it.
    freetype_->putText(page, text, {x, y + height_}, height_, kInk, -1, cv::LINE_AA, true);
  }

 private:
  /// Removes a whole UTF-8 character.
  static void pop_letter(std::string& text) {
    while (!text.empty() && (text.back() & 0xC0) == 0x80) text.pop_back();
    if (!text.empty()) text.pop_back();
  }

  int height_;
  cv::Ptr<cv::freetype::FreeType2> freetype_;
};

/// The picture within a square of `side`, its proportions kept.
cv::Mat fitted(const Image& image, int side) {
  const cv::Mat source(image.height, image.width, CV_8UC3, const_cast<std::uint8_t*>(image.rgb.data()));
  const double scale = double(side) / std::max(image.width, image.height);
  const cv::Size size(std::max(1, int(image.width * scale)), std::max(1, int(image.height * scale)));
  cv::Mat result;
  cv::resize(source, result, size, 0, 0, scale < 1 ? cv::INTER_AREA : cv::INTER_CUBIC);
  return result;
}

}  // namespace

Image draw_table(const PictureTable& table) {
  const Pen pen(table.font, std::max(10, table.cell_px / 10));
  std::size_t columns = table.columns.size();
  int headings = 0;
  for (const auto& row : table.rows) {
    columns = std::max(columns, row.cells.size());
    if (!row.heading.empty()) headings = std::max(headings, pen.width(row.heading) + 2 * kGap);
  }
  EMO_CHECK(columns > 0 && table.cell_px > 0, "draw_table: no cells");

  const auto caption_px = [&](const PictureTable::Row& row) {
    std::size_t lines = 0;
    for (const auto& cell : row.cells) lines = std::max(lines, cell.caption.size());
    return lines ? int(lines) * pen.line() + 2 * kGap : 0;
  };
  const int pitch = table.cell_px + kGap;
  const int head = table.columns.empty() ? 0 : pen.line() + kGap;
  int height = 2 * kMargin + head;
  for (const auto& row : table.rows) height += pitch + caption_px(row);

  Image picture(2 * kMargin + headings + int(columns) * pitch - kGap, height - kGap);
  cv::Mat page(picture.height, picture.width, CV_8UC3, picture.rgb.data());
  page = kPaper;
  const int left = kMargin + headings;
  for (std::size_t c = 0; c < table.columns.size(); ++c) {
    pen.write(page, table.columns[c], left + int(c) * pitch + table.cell_px / 2, kMargin, pitch, Pen::Align::kCentre);
  }
  int top = kMargin + head;
  for (const auto& row : table.rows) {
    pen.write(page, row.heading, kMargin, top + (table.cell_px - pen.line()) / 2, headings, Pen::Align::kLeft);
    for (std::size_t c = 0; c < row.cells.size(); ++c) {
      const auto& cell = row.cells[c];
      if (cell.picture.rgb.empty()) continue;
      const int x = left + int(c) * pitch;
      const cv::Mat face = fitted(cell.picture, table.cell_px);
      face.copyTo(
          page(cv::Rect(x + (table.cell_px - face.cols) / 2, top + (table.cell_px - face.rows) / 2, face.cols, face.rows)));
      for (std::size_t i = 0; i < cell.caption.size(); ++i) {
        const int y = top + table.cell_px + kGap + int(i) * pen.line();
        pen.write(page, cell.caption[i], x + table.cell_px / 2, y, table.cell_px, Pen::Align::kCentre);
      }
    }
    top += pitch + caption_px(row);
  }
  return picture;
}

}  // namespace emo
