#include <jxl/decode.h>

#include <memory>

#include "engine/media/image/check_size.h"
#include "engine/media/photos/formats.h"

namespace emo {
namespace {

struct Destroy {
  void operator()(JxlDecoder* decoder) const { JxlDecoderDestroy(decoder); }
};

void check_kind(const HeaderReader& in, const JxlDecoder* decoder, const JxlBasicInfo& info, const ImageLimits& limits) {
  check_size(in, "size", info.xsize, info.ysize, limits);
  if (info.have_animation) in.refused("is an animation; a still picture is needed");
  constexpr unsigned kMaxExtraChannels = 4;  // each is as large as the picture; one is alpha
  if (info.num_extra_channels > kMaxExtraChannels) {
    in.refused(concat("has ", info.num_extra_channels, " channels beside its colours; at most ", kMaxExtraChannels,
                      " are taken. Save it as PNG"));
  }
  for (unsigned i = 0; i < info.num_extra_channels; ++i) {
    JxlExtraChannelInfo channel;
    const bool known = JxlDecoderGetExtraChannelInfo(decoder, i, &channel) == JXL_DEC_SUCCESS;
    if (!known || channel.type == JXL_CHANNEL_BLACK) in.refused("is in CMYK; save it as an RGB picture");
  }
}

/// sRGB where libjxl has the choice (pictures of its own colour space, XYB); the profile of what it gives.
std::vector<std::byte> color_profile(const HeaderReader& in, JxlDecoder* decoder, const JxlBasicInfo& info) {
  JxlColorEncoding stored;
  if (JxlDecoderGetColorAsEncodedProfile(decoder, nullptr, JXL_COLOR_PROFILE_TARGET_ORIGINAL, &stored) == JXL_DEC_SUCCESS &&
      (stored.transfer_function == JXL_TRANSFER_FUNCTION_PQ || stored.transfer_function == JXL_TRANSFER_FUNCTION_HLG)) {
    refuse_hdr(in);
  }
  JxlColorEncoding srgb{};
  srgb.color_space = info.num_color_channels == 1 ? JXL_COLOR_SPACE_GRAY : JXL_COLOR_SPACE_RGB;
  srgb.white_point = JXL_WHITE_POINT_D65;
  srgb.primaries = JXL_PRIMARIES_SRGB;
  srgb.transfer_function = JXL_TRANSFER_FUNCTION_SRGB;
  srgb.rendering_intent = JXL_RENDERING_INTENT_RELATIVE;
  JxlDecoderSetPreferredColorProfile(decoder, &srgb);  // refused where the picture leaves no choice
  std::size_t size = 0;
  if (JxlDecoderGetICCProfileSize(decoder, nullptr, JXL_COLOR_PROFILE_TARGET_DATA, &size) != JXL_DEC_SUCCESS) return {};
  std::vector<std::byte> profile(size);
  const auto status = JxlDecoderGetColorAsICCProfile(decoder, nullptr, JXL_COLOR_PROFILE_TARGET_DATA,
                                                     reinterpret_cast<std::uint8_t*>(profile.data()), size);
  return status == JXL_DEC_SUCCESS ? profile : std::vector<std::byte>();
}

}  // namespace

DecodedPhoto decode_jxl(const HeaderReader& in, const ImageLimits& limits) {
  const std::unique_ptr<JxlDecoder, Destroy> owner(JxlDecoderCreate(nullptr));
  JxlDecoder* const decoder = owner.get();
  EMO_CHECK(decoder, "decode_jxl: no memory");
  JxlDecoderSubscribeEvents(decoder, JXL_DEC_BASIC_INFO | JXL_DEC_COLOR_ENCODING | JXL_DEC_FULL_IMAGE);
  const auto bytes = in.bytes(0, in.size());
  JxlDecoderSetInput(decoder, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());

  JxlBasicInfo info{};
  JxlPixelFormat format{.num_channels = 3, .data_type = JXL_TYPE_UINT8, .endianness = JXL_NATIVE_ENDIAN, .align = 0};
  DecodedPhoto photo;
  std::vector<std::uint8_t> pixels;
  // Other events were not asked for.
  while (true) {
    switch (JxlDecoderProcessInput(decoder)) {
      case JXL_DEC_BASIC_INFO:
        JxlDecoderGetBasicInfo(decoder, &info);
        check_kind(in, decoder, info, limits);
        if (info.alpha_bits > 0) format.num_channels = 4;
        break;
      case JXL_DEC_COLOR_ENCODING: photo.profile = color_profile(in, decoder, info); break;
      case JXL_DEC_NEED_IMAGE_OUT_BUFFER:
        pixels.resize(std::size_t(info.xsize) * info.ysize * format.num_channels);
        if (JxlDecoderSetImageOutBuffer(decoder, &format, pixels.data(), pixels.size()) != JXL_DEC_SUCCESS) {
          in.refused("cannot be given as 8-bit RGB; save it as PNG");
        }
        break;
      case JXL_DEC_FULL_IMAGE:
        photo.image = to_image(pixels.data(), std::size_t(info.xsize) * format.num_channels, int(info.xsize),
                               int(info.ysize), int(format.num_channels), info.alpha_premultiplied);
        return photo;
      case JXL_DEC_NEED_MORE_INPUT: in.refused(concat("ends early, after ", in.size(), " bytes; copy or download it again"));
      default: in.damaged("libjxl cannot decode it");
    }
  }
}

}  // namespace emo
