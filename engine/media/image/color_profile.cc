#include "engine/media/image/color_profile.h"

#include <lcms2.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <memory>

namespace emo {
namespace {

constexpr std::size_t kMaxProfileBytes = 4 << 20;  // those for print, with tables, have up to 3 MB

struct CloseProfile {
  void operator()(void* p) const { cmsCloseProfile(p); }
};
struct DeleteTransform {
  void operator()(void* t) const { cmsDeleteTransform(t); }
};

/// Whether colours come out as they went in, to within one step of 8 bits: then the profile is a spelling of sRGB.
bool changes_nothing(cmsHTRANSFORM transform) {
  for (int i = 0; i < 6 * 6 * 6; ++i) {
    const std::array<std::uint8_t, 3> in = {std::uint8_t(i % 6 * 51), std::uint8_t(i / 6 % 6 * 51),
                                            std::uint8_t(i / 36 * 51)};
    std::array<std::uint8_t, 3> out{};
    cmsDoTransform(transform, in.data(), out.data(), 1);
    for (std::size_t c = 0; c < 3; ++c) {
      if (std::abs(out[c] - in[c]) > 1) return false;
    }
  }
  return true;
}

}  // namespace

void to_srgb(Image& image, std::span<const std::byte> profile) {
  if (profile.empty() || profile.size() > kMaxProfileBytes) return;
  const std::unique_ptr<void, CloseProfile> from(cmsOpenProfileFromMem(profile.data(), cmsUInt32Number(profile.size())));
  if (!from || cmsGetColorSpace(from.get()) != cmsSigRgbData) return;
  const std::unique_ptr<void, CloseProfile> srgb(cmsCreate_sRGBProfile());
  const std::unique_ptr<void, DeleteTransform> transform(
      cmsCreateTransform(from.get(), TYPE_RGB_8, srgb.get(), TYPE_RGB_8, INTENT_RELATIVE_COLORIMETRIC, 0));
  if (!transform || changes_nothing(transform.get())) return;
  for (int y = 0; y < image.height; ++y) {
    cmsDoTransform(transform.get(), image.pixel(0, y), image.pixel(0, y), cmsUInt32Number(image.width));
  }
}

std::vector<std::byte> inflate_png_profile(std::span<const std::byte> chunk) {
  const auto name_end = std::ranges::find(chunk, std::byte{0});
  if (chunk.end() - name_end < 3) return {};
  const auto stream = chunk.subspan(std::size_t(name_end - chunk.begin()) + 2);  // after the name's end and the method
  std::vector<std::byte> profile(kMaxProfileBytes);
  uLongf size = profile.size();
  const int status = uncompress(reinterpret_cast<Bytef*>(profile.data()), &size,
                                reinterpret_cast<const Bytef*>(stream.data()), uLong(stream.size()));
  profile.resize(status == Z_OK ? size : 0);
  return profile;
}

}  // namespace emo
