#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <vector>

#include "engine/engine.h"
#include "tools/emoengine/inputs.h"

namespace emo::cli {

/// A picture to write: a photo, shared by all that are made from it, whose faces shall show `au`.
struct Redraw {
  std::string image, audio;  ///< what it is made from; audio may be empty
  std::shared_ptr<const Image> photo;
  std::vector<Box> faces;
  ActionUnits au;
  std::filesystem::path out;
  bool crop_only = false;  ///< write the network's crop of the first face instead of the photo
};

/// Collects pictures until their faces fill a call of the generator (kBatch), then redraws and writes them.
class RedrawQueue {
 public:
  /// `written` is told of each picture that was written; outputs that cannot be are kept in `failures`.
  RedrawQueue(const Engine& engine, int passes, Failures& failures, std::function<void(const Redraw&)> written)
      : engine_(engine), passes_(passes), failures_(failures), written_(std::move(written)) {}

  void add(Redraw job);
  /// Redraws what is waiting.
  void flush();

 private:
  const Engine& engine_;
  const int passes_;
  Failures& failures_;
  std::function<void(const Redraw&)> written_;
  std::vector<Redraw> waiting_;
};

}  // namespace emo::cli
