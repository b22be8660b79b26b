#include "engine/backend/shared/warp.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <vector>

namespace emo {
namespace {

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

/// The photo as MovedPixels reads it.
struct HostPhoto : ImageView {
  PixelArea bounds() const { return {0, 0, width, height}; }

  /// Most pixels, by hand: 0.6 of the time that GCC 12 takes with the loops.
  bool add_inside([[maybe_unused]] int x, [[maybe_unused]] int y, [[maybe_unused]] const float* across,
                  [[maybe_unused]] const float* down, [[maybe_unused]] float weight, [[maybe_unused]] Rgb& sum) const {
#ifdef __SSE2__
    if (step() != 3) return false;
    Twelve line;  // of four pixels
    const std::uint8_t* const first = pixel(x, y);
    line.add(first, down[0]);
    line.add(first + stride, down[1]);
    line.add(first + 2 * stride, down[2]);
    line.add(first + 3 * stride, down[3]);
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
    return true;
#else
    return false;
#endif
  }
};

/// Which triangle covers each cell of some pixels.
class Cover {
 public:
  Cover(const MovedFace& face, const PixelArea& area, int fine) : grid_(area, fine) {
    if (area.width() <= 0 || area.height() <= 0) return;
    cells_.assign(std::size_t(grid_.columns()) * std::size_t(grid_.rows()), kNoTriangle);
    for (const Patch& patch : std::span(face.patches, std::size_t(face.patch_count))) {
      if (!grid_.meets(patch)) continue;
      const auto rows = grid_.rows_under(patch);
      for (int row = rows.first; row < rows.end; ++row) {
        const auto columns = grid_.columns_under(patch, row);
        std::uint16_t* line = cells_.data() + std::size_t(row) * stride();
        for (int x = columns.first; x < columns.end; ++x) line[x] = patch.index;
      }
    }
  }

  /// Of a pixel's first cell.
  const std::uint16_t* at(int x, int y) const {
    const int fine = grid_.fine;
    return cells_.data() + std::size_t(y - grid_.area.top) * fine * stride() + std::size_t(x - grid_.area.left) * fine;
  }
  std::size_t stride() const { return std::size_t(grid_.columns()); }

 private:
  const CellGrid grid_;
  std::vector<std::uint16_t> cells_;
};

class Drawing {
 public:
  Drawing(const MovedFace& face, const ImageView& photo, const MutableImageView& out)
      : face_(face), photo_(photo), pixels_(face, {photo}), out_(out) {}

  void draw_band(int band) const {
    const PixelArea area = face_.in_band(face_.area, band);
    const Cover cover(face_, area, 1);  // of a band: it stays in the cache
    const auto fine = [&](int w) { return Cover(face_, face_.in_band(face_.windows[w], band), kFine); };
    const std::array<Cover, 3> windows = {fine(0), fine(1), fine(2)};
    for (int y = area.top; y < area.bottom; ++y) {
      for (int x = area.left; x < area.right; ++x) {
        const int window = face_.window_of(x, y);
        const std::uint16_t index = *cover.at(x, y);
        if (window < 3) {
          write(x, y, where_layers_meet(windows[std::size_t(window)], x, y));
        } else if (pixels_.is_still(index)) {
          copy(x, y);
        } else {
          write(x, y, pixels_.moved(face_.triangles[index], {float(x) + 0.5f, float(y) + 0.5f}));
        }
      }
    }
  }

 private:
  Rgb where_layers_meet(const Cover& cover, int x, int y) const {
    using Meeting = MovedPixels<HostPhoto>::Meeting;
    const std::uint16_t* const first = cover.at(x, y);
    const auto cells = [&](int k) { return first[std::size_t(k / kFine) * cover.stride() + std::size_t(k % kFine)]; };
    const Meeting meeting = pixels_.meeting(cells);
    const Point middle{float(x) + 0.5f, float(y) + 0.5f};
    if (meeting == Meeting::kStill) return pixels_.photo(middle);
    if (meeting == Meeting::kSame) return pixels_.sample(cells(kFine * kFine / 2), middle);
    Rgb sum{};
    for (int k = 0; k < kFine * kFine; ++k) {
      const Rgb share = pixels_.share_of_cell(cells(k), x, y, k);
      for (int c = 0; c < 3; ++c) sum[c] += share[c];
    }
    return sum;
  }

  int first_channel() const { return photo_.bgr() == out_.bgr() ? 0 : 2; }
  void copy(int x, int y) const {
    const std::uint8_t* from = photo_.pixel(x, y);
    std::uint8_t* to = out_.pixel(x, y);
    const int first = first_channel();
    to[first] = from[0], to[1] = from[1], to[2 - first] = from[2];
  }
  void write(int x, int y, const Rgb& colour) const {
    std::uint8_t* to = out_.pixel(x, y);
    const int first = first_channel();
    to[first] = byte_of(colour[0]), to[1] = byte_of(colour[1]), to[2 - first] = byte_of(colour[2]);
  }

  const MovedFace& face_;
  const ImageView photo_;
  const MovedPixels<HostPhoto> pixels_;
  const MutableImageView out_;
};

}  // namespace

void warp_face(const ImageView& photo, const FaceMesh& mesh, const Tone& tone, const MutableImageView& out,
               const EachRow& rows) {
  check_picture(photo, out);
  const FaceSetup setup(photo, mesh, tone);
  ImageView from = photo;
  std::vector<std::uint8_t> copy;
  if (photo.data == out.data) {
    copy.assign(photo.data, photo.data + (photo.height - 1) * photo.stride + std::ptrdiff_t(photo.width) * photo.step());
    from.data = copy.data();
  }
  const Drawing drawing(setup.face(), from, out);
  rows(setup.bands(), [&](int band) { drawing.draw_band(band); });
}

}  // namespace emo
