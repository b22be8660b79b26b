#pragma once

#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "engine/expression/action_units.h"
#include "engine/expression/face_motion.h"
#include "weights/model_file.h"

namespace emo {

/// The mean face of the installed reader as it lies in a picture, and how it moves.
class MeanFace {
 public:
  const ModelFile& file() const { return file_; }
  const FaceMotion& motion() const { return motion_; }
  int aus() const { return int(file_.reader().au_names.size()); }

  /// Landmarks at `unit` px, turned by `roll`, the point between the eyes at (x, y).
  std::vector<Point> at(float x, float y, float unit, float roll = 0) const {
    std::vector<Point> points;
    for (int i = 0; i < kFacePoints; ++i) {
      const float right = unit * mean_[3 * i], down = -unit * mean_[3 * i + 1];
      points.push_back(
          {x + std::cos(roll) * right - std::sin(roll) * down, y + std::sin(roll) * right + std::cos(roll) * down});
    }
    return points;
  }
  /// Intensities with one AU set.
  std::vector<float> showing(const std::string& au, float value) const {
    return parse_action_units(au.substr(2) + "=" + std::to_string(value), file_.reader().au_names).values();
  }
  std::vector<float> neutral() const { return std::vector<float>(std::size_t(aus())); }
  FaceMesh mesh(const std::vector<Point>& landmarks, const std::string& au, float value = 1) const {
    return motion_.mesh(landmarks, neutral(), showing(au, value));
  }

 private:
  const ModelFile file_{EMO_SOURCE_DIR "/weights/reader.safetensors"};
  const FaceMotion motion_{file_};
  const std::vector<float> mean_ = file_.floats("motion.mean");
};

}  // namespace emo
