#pragma once

#include <array>
#include <span>
#include <vector>

#include "engine/expression/landmarks.h"
#include "weights/model_file.h"

/// How a face moves when action units are asked of it: the geometry of drawing an expression with a photo's own pixels.
///
/// It is tools/training/teacher.py's: landmarks go where the AU basis says, turned as the head is; lips and lids are set
/// column by column; the skin between them is a mesh, and round it the motion fades over a ring. AUs are absolute: what the
/// face shows already is taken off. The eyeballs lie under the skin, and so does the mouth. engine/backend/shared/warp.h
/// draws it.
namespace emo {

/// Vertices of a face's mesh: the landmarks, two rings round them, and a fan in each eye.
inline constexpr int kRingPoints = 36, kEyePoints = 17;
inline constexpr int kInnerRing = kFacePoints, kOuterRing = kInnerRing + kRingPoints, kFirstEye = kOuterRing + kRingPoints,
                     kMeshPoints = kFirstEye + 2 * kEyePoints;

/// Three vertices of a mesh, and how the picture shows what lies between them.
struct FaceTriangle {
  enum class Layer : std::uint8_t { kEye, kSkin };
  std::array<std::int16_t, 3> corner;
  Layer layer;
  bool at_mouth;  ///< on the rim of its opening: folded over, it would lie in it
};

/// A face about to move. Points are in pixels of the photo; "unit" is the distance of the outer eye corners.
struct FaceMesh {
  std::span<const FaceTriangle> triangles;  ///< in the order of drawing: a later one hides an earlier one
  std::vector<Point> photo, picture;        ///< (kMeshPoints): where a vertex is in the photo, and in the picture
  /// What creases do to the light: its logarithm, (kFaceShadeRows,kFaceShadeColumns) of either side of the face, and
  /// where each vertex lies, x outward of the line between the eyes and y down, in texels. Vertices with weight 0 have none.
  std::vector<float> shade;
  std::vector<Point> texture;       ///< (kMeshPoints)
  std::vector<float> shade_weight;  ///< (kMeshPoints)
  struct Lashes {
    std::array<Point, 9> line;  ///< of the lower lid, from corner to corner
    float darkness = 0, width = 0;
  };
  std::array<Lashes, 2> lashes;
  struct Mouth {
    std::array<Point, 20> before, after;  ///< outline of the opening
    Point middle;                         ///< of the closed lips
    Point right, down;                    ///< unit vectors of the face's axes
    float jaw = 0;                        ///< how far it has dropped, units
    float gap = 0;                        ///< of the photo's lips, px
  } mouth;
  std::vector<Point> bare_skin;  ///< without hair or shadow: what light falls on the face
  float unit = 0;                ///< px
};

/// What a reader's weight file says of how faces move. Thread-safe; meshes borrow its triangles.
class FaceMotion {
 public:
  /// Throws Error(kModel) naming the file: one without motion.* tensors, and one whose triangles name vertices that are not
  /// there.
  explicit FaceMotion(const ModelFile& reader);

  /// The mesh of a face with these landmarks (kFacePoints) that shows `own` and is to show `wanted`, both in the order of
  /// the reader's AUs, 0 to 1.
  FaceMesh mesh(std::span<const Point> landmarks, std::span<const float> own, std::span<const float> wanted) const;
  /// How far landmarks are from a face's: the distance of the worst of those that carry the pose from where the mean face
  /// has it, in units. People differ by 0.1; what is no face, or hidden, by more.
  float misfit(std::span<const Point> landmarks) const;

 private:
  struct Space {
    float x, y, z;
  };
  struct Pose;
  using Landmarks = std::vector<Point>;

  Pose pose_of(std::span<const Point> landmarks) const;
  Landmarks moved(std::span<const Point> from, const Pose& pose, std::span<const float> own,
                  std::span<const float> wanted) const;
  void move_lips(std::span<const Point> from, const Pose& pose, std::span<const float> own, std::span<const float> wanted,
                 Landmarks& to) const;
  void move_lids(std::span<const Point> from, const Pose& pose, std::span<const float> own, std::span<const float> wanted,
                 Landmarks& to) const;

  int aus_, jaw_, lips_part_, shut_;  // places of AUs; -1: this reader has it not
  std::vector<Space> mean_, basis_;   // (kFacePoints), (AUs,kFacePoints)
  std::vector<float> shade_;          // (AUs,kFaceShadeRows,kFaceShadeColumns)
  std::vector<FaceTriangle> triangles_;
  std::vector<float> lip_gap_;                   // (AUs,9): what an AU adds to it, units
  std::array<std::array<float, 7>, 2> lid_gap_;  // of the mean face
  std::vector<float> lid_change_;                // (AUs,2,7)
  float jaw_drop_ = 0;
};

}  // namespace emo
