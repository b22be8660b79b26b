#pragma once

#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/media/media.h"
#include "engine/pipeline/face_choice.h"
#include "engine/pipeline/reached.h"

/// Many photos, each redrawn with one or more expressions and written.
namespace emo {

/// A photo and the pictures that are made of it.
struct PhotoTask {
  struct Output {
    std::filesystem::path out;  ///< see Media::save_image
    ActionUnits au;
    std::string of;  ///< what the expression was taken from, for who reports it; may be empty
  };
  std::string photo;  ///< its file
  std::vector<Output> outputs;
};

struct PhotoOptions {
  FaceChoice face;
  bool crop_only = false;  ///< write the network's picture of the first face instead of the photo
  Drawing drawing;         ///< passes may be kAutoPasses
  bool read = false;       ///< look at what was drawn, too
  int processors = 0;      ///< that are kept busy, each with a photo of its own; 0: all
  /// How a photo is read, from several threads; throws Error(kInput) for one that cannot be.
  std::function<Image(const std::string& file)> load;
  /// Told of each picture that was written, with what its faces show if that was read, and of what failed with Error(kInput)
  /// or a face of its own; one at a time, in the order of the tasks.
  std::function<void(const PhotoTask&, const PhotoTask::Output&, std::span<const Box> faces, std::span<const Reached>)>
      written;
  std::function<void(const std::string& what)> failed;
  std::function<bool()> stop;  ///< from any thread: true begins no other photo
};

/// Reads, searches, redraws and writes, several photos at a time. A photo or an output that fails does not keep the others
/// from being made; what concerns all (the device, an internal error) is thrown.
void redraw_photos(const Engine& engine, std::span<const PhotoTask> tasks, const PhotoOptions& options);

}  // namespace emo
