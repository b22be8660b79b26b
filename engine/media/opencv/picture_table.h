#pragma once

#include "engine/media/media.h"

namespace emo {

/// See Media::draw_table.
Image draw_table(const PictureTable& table);

}  // namespace emo
