// No figures: their captions are OpenCV's.
#include "engine/media/figure/picture_table.h"

#include "base/error.h"

namespace emo {

Image draw_table(const PictureTable&) {
  fail(ErrorKind::kDevice,
       "figure: this build cannot draw figures; use the command line of a build with OpenCV's FreeType module");
}

}  // namespace emo
