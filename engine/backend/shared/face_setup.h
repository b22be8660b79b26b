#pragma once

#include <span>
#include <vector>

#include "engine/backend/image.h"
#include "engine/backend/shared/tone.h"
#include "engine/expression/face_motion.h"
#include "kernels/moved_face.h"

namespace emo {

/// The pixels that warp_face() writes.
PixelArea area_under(const ImageView& photo, const FaceMesh& mesh);

/// Throws Error(kInternal) unless the picture has the photo's size.
void check_picture(const ImageView& photo, const MutableImageView& out);

/// What drawing a face by its mesh takes before the first pixel: each triangle's map and the order of drawing. Some 0.1 ms.
/// Throws Error(kInternal) for an empty photo and for a face without a size.
class FaceSetup {
 public:
  /// Borrows the mesh's shade and the tone's curve.
  FaceSetup(const ImageView& photo, const FaceMesh& mesh, const Tone& tone);
  FaceSetup(const FaceSetup&) = delete;

  /// Its pointers are into this, the mesh and the tone.
  const MovedFace& face() const { return face_; }
  std::span<const MovedTriangle> triangles() const { return triangles_; }
  int bands() const { return (face_.area.height() + kBandRows - 1) / kBandRows; }
  /// The pixels of the photo that the face is drawn from.
  const PixelArea& reads() const { return reads_; }

 private:
  void make_triangles(const FaceMesh& mesh);

  MovedFace face_;
  PixelArea reads_;
  std::vector<MovedTriangle> triangles_;
  std::vector<Patch> patches_;
};

}  // namespace emo
