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
using Profile = std::unique_ptr<void, CloseProfile>;
struct DeleteTransform {
  void operator()(void* t) const { cmsDeleteTransform(t); }
};

struct FreeCurve {
  void operator()(cmsToneCurve* c) const { cmsFreeToneCurve(c); }
};
using Curve = std::unique_ptr<cmsToneCurve, FreeCurve>;

/// Source: ITU-T H.273, table 2.
struct Primaries {
  int code;
  cmsCIExyY white;
  cmsCIExyYTRIPLE colors;
};
constexpr cmsCIExyY kD65 = {0.3127, 0.3290, 1}, kCinemaWhite = {0.314, 0.351, 1};
constexpr cmsCIExyYTRIPLE kP3 = {{0.680, 0.320, 1}, {0.265, 0.690, 1}, {0.150, 0.060, 1}};
constexpr cmsCIExyYTRIPLE kSmpte170m = {{0.630, 0.340, 1}, {0.310, 0.595, 1}, {0.155, 0.070, 1}};
constexpr Primaries kPrimaries[] = {
    {1, kD65, {{0.640, 0.330, 1}, {0.300, 0.600, 1}, {0.150, 0.060, 1}}},  // sRGB, BT.709
    {5, kD65, {{0.640, 0.330, 1}, {0.290, 0.600, 1}, {0.150, 0.060, 1}}},  // BT.601, 625 lines
    {6, kD65, kSmpte170m},                                                 // BT.601, 525 lines
    {7, kD65, kSmpte170m},
    {9, kD65, {{0.708, 0.292, 1}, {0.170, 0.797, 1}, {0.131, 0.046, 1}}},  // BT.2020
    {11, kCinemaWhite, kP3},
    {12, kD65, kP3},  // Display P3
};

/// Empty for the curves that are no colour's here. Source: ITU-T H.273, table 3.
cmsToneCurve* curve_of(int transfer) {
  switch (transfer) {
    case 1:
    case 2:
    case 6:
    case 13:
    case 14:
    case 15: {
      const double srgb[] = {2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045};
      return cmsBuildParametricToneCurve(nullptr, 4, srgb);
    }
    case 4: return cmsBuildGamma(nullptr, 2.2);
    case 5: return cmsBuildGamma(nullptr, 2.8);
    case 8: return cmsBuildGamma(nullptr, 1);
    default: return nullptr;
  }
}

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

void convert(Image& image, const Profile& from) {
  if (!from || cmsGetColorSpace(from.get()) != cmsSigRgbData) return;
  const Profile srgb(cmsCreate_sRGBProfile());
  const std::unique_ptr<void, DeleteTransform> transform(
      cmsCreateTransform(from.get(), TYPE_RGB_8, srgb.get(), TYPE_RGB_8, INTENT_RELATIVE_COLORIMETRIC, 0));
  if (!transform || changes_nothing(transform.get())) return;
  for (int y = 0; y < image.height; ++y) {
    cmsDoTransform(transform.get(), image.pixel(0, y), image.pixel(0, y), cmsUInt32Number(image.width));
  }
}

}  // namespace

void to_srgb(Image& image, std::span<const std::byte> profile) {
  if (profile.empty() || profile.size() > kMaxProfileBytes) return;
  convert(image, Profile(cmsOpenProfileFromMem(profile.data(), cmsUInt32Number(profile.size()))));
}

void to_srgb(Image& image, ColorCodes codes) {
  const auto primaries = std::ranges::find(kPrimaries, codes.primaries == 2 ? 1 : codes.primaries, &Primaries::code);
  if (primaries == std::end(kPrimaries)) return;
  const Curve curve(curve_of(codes.transfer));
  if (!curve) return;
  cmsToneCurve* const curves[3] = {curve.get(), curve.get(), curve.get()};
  convert(image, Profile(cmsCreateRGBProfile(&primaries->white, &primaries->colors, curves)));
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
