#include <libheif/heif.h>

#include <memory>

#include "engine/media/image/check_size.h"
#include "engine/media/photos/formats.h"

namespace emo {
namespace {

/// Calls libheif's function for the end of a thing.
template <auto release>
struct Release {
  template <typename Thing>
  void operator()(Thing* thing) const {
    release(thing);
  }
};
using Context = std::unique_ptr<heif_context, Release<heif_context_free>>;
using Handle = std::unique_ptr<heif_image_handle, Release<heif_image_handle_release>>;
using Pixels = std::unique_ptr<heif_image, Release<heif_image_release>>;
using Options = std::unique_ptr<heif_decoding_options, Release<heif_decoding_options_free>>;
using Codes = std::unique_ptr<heif_color_profile_nclx, Release<heif_nclx_color_profile_free>>;

/// A file that was cut is refused as one, since libheif has many words for it: its boxes up to the picture's must be there.
void check_whole(const HeaderReader& in) {
  bool meta = false, pixels = false;
  for (std::uint64_t at = 0; at < in.size() && !(meta && pixels);) {
    std::uint64_t size = in.big(at, 4);
    if (size == 1) size = std::uint64_t(in.big(at + 8, 4)) << 32 | in.big(at + 12, 4);
    if (size == 0) return;  // up to the end
    if (size < 8) in.damaged(concat("the box at byte ", at, " has ", size, " bytes"));
    in.bytes(at, size);
    meta |= in.has(at + 4, "meta");
    pixels |= in.has(at + 4, "mdat");
    at += size;
  }
  if (!meta) in.bytes(in.size(), 1);  // cut between two boxes
}

void check(const HeaderReader& in, const heif_error& error) {
  if (error.code == heif_error_Ok) return;
  if (error.subcode == heif_suberror_End_of_data) {
    in.refused(concat("ends early, after ", in.size(), " bytes; copy or download it again"));
  }
  in.refused(concat("is refused by libheif ", heif_get_version(), " (", error.message,
                    "). Newer phones write what it does not know: export the picture as JPEG"));
}

std::vector<std::byte> color_profile(const heif_image_handle* handle) {
  std::vector<std::byte> profile(heif_image_handle_get_raw_color_profile_size(handle));
  if (!profile.empty() && heif_image_handle_get_raw_color_profile(handle, profile.data()).code != heif_error_Ok) return {};
  return profile;
}

ColorCodes color_codes(const heif_image_handle* handle) {
  heif_color_profile_nclx* found = nullptr;
  const bool known = heif_image_handle_get_nclx_color_profile(handle, &found).code == heif_error_Ok;
  const Codes codes(found);  // libheif gives codes also where it does not know all of them
  if (!known || !codes) return {};
  return {.primaries = codes->color_primaries, .transfer = codes->transfer_characteristics};
}

}  // namespace

DecodedPhoto decode_heif(const HeaderReader& in, const ImageLimits& limits) {
  // Brands of sequences: frames of a film, whose single pictures have others.
  for (const char* brand : {"avis", "hevc", "hevx", "msf1"}) {
    if (in.has(8, brand)) in.refused("is an animation; a still picture is needed");
  }
  check_whole(in);
  const Context context(heif_context_alloc());
  EMO_CHECK(context, "decode_heif: no memory");
  const auto bytes = in.bytes(0, in.size());
  check(in, heif_context_read_from_memory_without_copy(context.get(), bytes.data(), bytes.size(), nullptr));
  heif_image_handle* primary = nullptr;
  check(in, heif_context_get_primary_image_handle(context.get(), &primary));
  const Handle handle(primary);
  check_size(in, "size", heif_image_handle_get_width(primary), heif_image_handle_get_height(primary), limits);
  check_size(in, "stored size", heif_image_handle_get_ispe_width(primary), heif_image_handle_get_ispe_height(primary),
             limits);

  DecodedPhoto photo{.profile = color_profile(primary), .codes = color_codes(primary)};
  const int transfer = photo.profile.empty() ? photo.codes.transfer : 2;
  if (transfer == heif_transfer_characteristic_ITU_R_BT_2100_0_PQ ||
      transfer == heif_transfer_characteristic_ITU_R_BT_2100_0_HLG) {
    refuse_hdr(in);
  }

  const bool alpha = heif_image_handle_has_alpha_channel(primary);
  const Options options(heif_decoding_options_alloc());
  options->convert_hdr_to_8bit = 1;
  heif_image* decoded = nullptr;
  check(in, heif_decode_image(primary, &decoded, heif_colorspace_RGB,
                              alpha ? heif_chroma_interleaved_RGBA : heif_chroma_interleaved_RGB, options.get()));
  const Pixels pixels(decoded);
  const int width = heif_image_get_width(decoded, heif_channel_interleaved);
  const int height = heif_image_get_height(decoded, heif_channel_interleaved);
  check_size(in, "size", width, height, limits);
  int stride = 0;
  const std::uint8_t* rows = heif_image_get_plane_readonly(decoded, heif_channel_interleaved, &stride);
  if (!rows || heif_image_get_bits_per_pixel_range(decoded, heif_channel_interleaved) != 8) {
    in.refused(concat("is not given as 8-bit RGB by libheif ", heif_get_version(), "; export it as JPEG"));
  }
  photo.image =
      to_image(rows, std::size_t(stride), width, height, alpha ? 4 : 3, heif_image_handle_is_premultiplied_alpha(primary));
  return photo;
}

}  // namespace emo
