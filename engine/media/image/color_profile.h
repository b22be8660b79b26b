#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "engine/backend/image.h"
#include "engine/media/photo_decoder.h"

namespace emo {

/// The models, the screen and files without a profile mean sRGB; telephones write Display P3, cameras Adobe RGB. Brings the
/// picture from the colours of an ICC profile to sRGB; leaves it as it is, to the bit, when the profile is sRGB itself,
/// empty, of another colour space than RGB, or cannot be used: a picture is worth more than its notes.
void to_srgb(Image& image, std::span<const std::byte> profile);

/// The same for colours that a file numbers (ITU-T H.273) in place of a profile; codes that are not said or rare change
/// nothing. Video's curves (BT.709 and its kin) are taken for sRGB's, as viewers do.
void to_srgb(Image& image, ColorCodes codes);

/// The profile in a PNG's iCCP chunk (name, 0, method, zlib stream); empty when it is damaged or larger than 4 MiB.
std::vector<std::byte> inflate_png_profile(std::span<const std::byte> chunk);

}  // namespace emo
