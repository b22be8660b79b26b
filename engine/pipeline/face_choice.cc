#include "engine/pipeline/face_choice.h"

#include "base/error.h"
#include "engine/pipeline/face_finder.h"

namespace emo {

std::vector<Box> choose_faces(const Engine& engine, const Image& photo, const std::string& file, const FaceChoice& choice) {
  std::string tried;
  const bool many = choice.all || choice.number > 1;
  auto faces = find_faces(engine, photo, many ? FaceCount::kAll : FaceCount::kLargest, &tried, choice.min_px);
  if (faces.empty()) {
    fail(ErrorKind::kInput, file, ": no face was found in ", photo.width, "x", photo.height, " px, tried ", tried,
         "; use a photo with a face seen from the front, or `crop` none with generate");
  }
  if (choice.all) return faces;
  if (std::size_t(choice.number) > faces.size()) {
    fail(ErrorKind::kInput, file, ": face ", choice.number, " was asked for, but ", faces.size(),
         faces.size() == 1 ? " was" : " were", " found; use `face` largest, all or a smaller number");
  }
  return {faces[std::size_t(choice.number) - 1]};
}

}  // namespace emo
