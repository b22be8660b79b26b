#pragma once

#include "emoengine.h"
#include "engine/backend/image.h"
#include "engine/engine.h"

namespace emo::c_api {

/// The caller's pixels. Throws for what is no picture; `name` is the field's.
MutableImageView view_of(const emo_image* image, const char* name);

/// A copy of them, with their alpha.
Image image_of(const emo_image* image, const char* name);

/// Copies pixels between pictures of one size, in any formats. A fourth channel that `from` lacks becomes opaque.
void copy_pixels(const ImageView& from, const MutableImageView& to);

/// `name` is the field's. Throws for what is no square.
Box box_of(const emo_box& box, const char* name);
emo_box box_of(const Box& box);
/// The fields of these names. Throws for passes out of range and what is no EMO_DETAIL_...
Drawing drawing_of(std::int32_t relative, std::int32_t passes, std::int32_t detail);

}  // namespace emo::c_api
